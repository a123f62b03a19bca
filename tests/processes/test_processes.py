"""Two consoles behind a proxy and three workers on one database, killed in the midst of their work: nobody is signed out, and every bill is paid once."""

import threading
import uuid
from dataclasses import dataclass, field

import httpx
import pytest
from websockets.exceptions import WebSocketException

from core import clock, db
from core.access import Actor
from core.ids import new_id
from core.models import User
from core.services import people
from core.states import Stage
from tests.campaign.harness import WorkerProcess, until
from tests.front_door.conftest import Console
from tests.processes.conftest import PATIENCE_SECONDS, House, pay
from tests.world import PASSWORD, PASSWORD_HASH

# It waits for conditions, and on a busy machine for each of them a while.
pytestmark = pytest.mark.timeout(1_500)

OPERATORS = 4
# Kills are spread over the load: each waits until so many bills more are under way.
BILLS_BETWEEN_KILLS = 3
WORKER_KILLS = 3

# What a page says to whoever is not signed in any more.
SIGN_IN = ("Sign in", "Signed out")


@dataclass
class Person:
    """An operator with a browser, who opens pages and pays bills until told to stop."""

    actor: Actor
    token: str
    house: House
    opened: int = 0
    reconnected: int = 0
    paid: list[uuid.UUID] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def work(self, number: int, stopping: threading.Event) -> None:
        bills = 0
        try:
            while not stopping.is_set():
                bills += 1
                self.look("payment")
                self.pay(f"7{number}{bills:06d}")
                self.look("transactions")
        except Exception as error:  # noqa: BLE001 - told by the test, and not by a thread that nobody hears
            self.troubles.append(f"{type(error).__name__}: {error}")

    def look(self, page: str) -> None:
        """Opens a page as a browser does: where its console is gone, it connects again by itself, and the proxy brings it to the other."""
        ends = clock.monotonic_seconds() + PATIENCE_SECONDS
        while True:
            try:
                said = self.house.front.open(page, token=self.token)
            except (OSError, WebSocketException, httpx.TransportError, TimeoutError):
                self.reconnected += 1
                if clock.monotonic_seconds() > ends:
                    raise
                threading.Event().wait(0.1)
                continue
            if any(word in said for word in SIGN_IN):
                self.troubles.append(f"{page} was shown to a stranger: {said[:400]}")
            elif self.actor.display_name in said:
                self.opened += 1
                return
            # A page that says that the database is busy is opened again, as its sentence asks for.
            if clock.monotonic_seconds() > ends or self.troubles:
                raise AssertionError(f"{page} was not drawn: {said[:400]}")

    def pay(self, account: str) -> None:
        self.paid.append(pay(self.house.world, account, self.actor))


def somebody(house: House, number: int) -> Person:
    """An operator who signed in with a password, as the form does it."""
    username = f"operator-{number}-{uuid.uuid4().hex[:6]}"
    with db.unit_of_work() as session:
        session.add(User(id=new_id(), username=username, display_name=f"Grace Banda {number}", role="operator", password_hash=PASSWORD_HASH, sandbox=False))
    token = people.redeem(people.sign_in(username, PASSWORD, None), None, None)
    actor = people.actor_of(token)
    assert actor is not None
    return Person(actor, token, house)


def test_killed_consoles_and_workers_sign_nobody_out_and_pay_every_bill_once(house: House) -> None:
    house.open(workers=3)
    world = house.world
    staff = [somebody(house, number) for number in range(OPERATORS)]
    stopping = threading.Event()
    threads = [threading.Thread(target=one.work, args=(number, stopping), daemon=True) for number, one in enumerate(staff)]
    # Every third payment takes a while at its biller, so that there is always a call out that a kill can interrupt.
    world.sandbox.pace(slow_seconds=0.8)
    for number in range(OPERATORS):
        for bill in range(1, 100, 3):
            world.sandbox.next("slow", account=f"7{number}{bill:06d}")
    for thread in threads:
        thread.start()

    def under_way() -> int:
        return sum(len(one.paid) for one in staff)

    def go_on(bills: int = BILLS_BETWEEN_KILLS) -> None:
        begun = under_way()
        until(lambda: under_way() >= begun + bills or any(one.troubles for one in staff), f"{bills} more bills are paid", PATIENCE_SECONDS)
        assert not any(one.troubles for one in staff), [one.troubles for one in staff]

    try:
        go_on()
        for _ in range(WORKER_KILLS):
            killed = kill_one_with_a_call_out(house)
            assert killed not in house.world.workers
            world.start_worker()
            go_on()
        for web in house.webs:
            seen = sum(one.opened for one in staff)
            web.kill()
            go_on()
            # Half of them were his, and all of them go on at the other.
            until(lambda seen=seen: sum(one.opened for one in staff) > seen + OPERATORS, "pages are drawn by the console that is left", PATIENCE_SECONDS)
            web.start()
            web.wait_ready()
            go_on()
    finally:
        stopping.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
    assert [one.troubles for one in staff if one.troubles] == []
    assert not any(thread.is_alive() for thread in threads)
    paid = [one for person in staff for one in person.paid]
    for one in paid:
        world.wait_for(one, Stage.COMPLETED, seconds=PATIENCE_SECONDS)
    world.judge().assert_all_well()
    booked = [line["reference"] for line in world.sandbox.lines("ledger") if line["kind"] == "PAY"]
    assert sorted(booked) == sorted(world.find(one).our_transaction_id for one in paid)
    # Nobody's session ended, and both consoles have served.
    assert all(people.actor_of(one.token) is not None for one in staff)
    assert all(house.proxy.given[web.port] for web in house.webs)
    print(
        f"{len(paid)} bills by {OPERATORS} operators, {sum(one.opened for one in staff)} pages ({sum(one.reconnected for one in staff)} connected again),"
        f" {WORKER_KILLS} workers and {len(house.webs)} consoles killed"
    )


def kill_one_with_a_call_out(house: House) -> WorkerProcess:
    """A worker in the midst of a call that pays: it can tell nobody what came of it."""
    world = house.world
    held = "SELECT lease_owner FROM transactions WHERE stage = 'PAY_SENDING' AND lease_until IS NOT NULL"

    def caught() -> WorkerProcess | None:
        owners = [owner for (owner,) in world.rows(held)]
        return next((worker for worker in world.workers if any(f":{worker.pid}:" in owner for owner in owners)), None)

    worker = until(caught, "a worker has a call out", PATIENCE_SECONDS)
    worker.kill()
    world.workers.remove(worker)
    return worker


def test_a_stranger_who_got_the_page_from_one_console_signs_in_at_another(house: House) -> None:
    """The visit that comes with the page is good wherever the vault's keys are the same: the proxy may place the websocket elsewhere."""
    house.open(workers=0)
    one, other = (Console(web.port) for web in house.webs)
    given = httpx.get(one.url, trust_env=False, timeout=30).headers.get_list("set-cookie")
    visit = next(cookie.partition(";")[0] for cookie in given if cookie.startswith("billers-visit="))
    with other.window(visit=visit) as window:
        assert "Sign in" in "\n".join(str(message) for message in other.run(window))
