"""P13: the disk that the log is on is full. Nothing about money waits for a line in a log."""

from core.states import Stage
from tests.campaign.harness import until
from tests.matrix.town import LWB, Bill, Town, new_account


def test_p13_a_worker_whose_log_cannot_be_written_goes_on_paying(own_town: Town) -> None:
    town = own_town
    bills = [Bill(LWB, new_account()) for _ in range(4)]
    for bill, fault in zip(bills, ("", "act_then_close", "html_page_200", "nul_bytes"), strict=True):
        if fault:
            town.sandbox.next(fault, account=bill.account)
    paid = [town.submit(town.draft(bill.account, town.look_up_by_hand(bill.account)[0])) for bill in bills]
    cramped = town.start_worker("tests.matrix.cramped_worker", CRAMPED="log", BILLERS_LOG_LEVEL="DEBUG")
    unsettled = "SELECT count(*) FROM transactions WHERE amount IS NOT NULL AND next_action_at IS NOT NULL"
    until(lambda: not cramped.is_running or town.value(unsettled) == 0, "the worker has settled them all, or has ended")
    assert cramped.is_running, "a full disk under its log ended the worker"
    for one in paid:
        town.expect(one, Stage.COMPLETED, effects=1)
    assert cramped.stop() == 0
    town.judge().assert_all_well()
