"""W36: what waits while a biller does not know us goes out with the credentials that an administrator has put right."""

from core.states import Stage
from tests.campaign.harness import until
from tests.matrix.town import SRWB, Bill, Town, new_account


def test_w36_what_waited_goes_out_with_the_corrected_credentials(own_town: Town) -> None:
    town = own_town
    town.start_worker()
    forms = town.ask_all([Bill(SRWB, new_account(SRWB)) for _ in range(3)])
    town.open(SRWB, credentials={"username": "billers", "password": "the old one"})
    first, *waiting = [town.submit(town.freeze(form)) for form in forms]
    until(lambda: town.acts("breaker.opened", SRWB), "the circuit opens: an administrator must correct the credentials; payments wait")
    town.open(SRWB)
    town.watch(first, *waiting)
    for paid in (first, *waiting):
        town.expect(paid, Stage.COMPLETED, effects=1)
    town.judge().assert_all_well()
