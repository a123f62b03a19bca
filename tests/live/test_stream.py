"""The stream, from the real server over real HTTP: who hears, of what, how often, and when it ends."""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import URL

from core import clock, db
from core.api import stream
from core.errors import BillersError
from core.security.sessions import hash_of
from core.services import live, payments, people, settlement
from core.services.errands import Errand
from core.wire.contract import Outcome
from tests.front_door.conftest import Console
from tests.live.conftest import Ear, listening, serving
from tests.payments.bench import Bench
from tests.world import Database

SignIn = Callable[[str], str]

# Two beats of these tests' console, and a change is passed on within one.
AT_REST_SECONDS = 0.6


# ---- What is heard


def test_the_first_word_says_where_things_stand(ear: Ear) -> None:
    word = ear.hear_until(lambda word: word["hears"])[-1]
    assert word["cursor"] > 0
    assert set(word) == {"kind", "cursor", "hears", "age_ms"}, "a stream says that something changed, and nothing of what"
    assert ear.answer.headers["content-type"].startswith("text/event-stream")
    assert ear.answer.headers["cache-control"] == "no-store"
    assert "content-encoding" not in ear.answer.headers, "what is compressed waits for more"


def test_a_payment_is_heard_of_at_each_step(ear: Ear, bench: Bench) -> None:
    claimed: list[Errand] = []
    steps: list[Callable[[], object]] = [
        bench.pay,
        lambda: claimed.append(bench.claim()),
        lambda: settlement.conclude([bench.result(claimed[0], Outcome.CONFIRMED)]),
    ]
    for step in steps:
        cursor = told_so_far(ear)
        step()
        assert ear.hear_news(cursor)["age_ms"] is not None


def test_a_cancelled_payment_is_heard_of_and_a_refused_cancellation_is_not(ear: Ear, bench: Bench) -> None:
    paid = bench.pay()
    cursor = told_so_far(ear)
    payments.cancel(bench.operator, paid)
    cursor = ear.hear_news(cursor)["cursor"]
    with pytest.raises(BillersError):
        payments.cancel(bench.operator, paid)
    assert mine_is_next(ear, cursor)


def test_a_biller_that_is_switched_is_heard_of(ear: Ear, bench: Bench) -> None:
    cursor = told_so_far(ear)
    bench.sql("NOTIFY billers_config")
    assert ear.hear_news(cursor)["age_ms"] is None


def test_nothing_is_heard_of_what_was_rolled_back(ear: Ear, bench: Bench) -> None:
    cursor = told_so_far(ear)
    with pytest.raises(ZeroDivisionError), db.unit_of_work() as session:
        live.tell(session)
        raise ZeroDivisionError
    assert mine_is_next(ear, cursor)


def test_a_burst_is_a_few_words_and_the_last_of_them_knows_all_of_it(ear: Ear, bench: Bench) -> None:
    cursor = told_so_far(ear)
    with bench.database.connect() as connection:
        for _ in range(200):
            connection.execute("NOTIFY billers_changes, 'one more'")
    words = ear.hear_until(lambda word: word["cursor"] == cursor + 200)
    assert len(words) < 20


def told_so_far(ear: Ear) -> int:
    """Where the counter stands once it rests: three words of the same, over a while of our own clock. What was said while nobody read is heard all at once."""
    since, words = clock.monotonic_seconds(), [ear.hear()]
    while not words[-1]["hears"] or len(words) < 3 or clock.monotonic_seconds() - since < AT_REST_SECONDS:
        word = ear.hear()
        if word["cursor"] != words[-1]["cursor"]:
            since, words = clock.monotonic_seconds(), []
        words.append(word)
    return int(words[-1]["cursor"])


def mine_is_next(ear: Ear, cursor: int) -> bool:
    """Says something, and finds that nothing was said between."""
    with db.unit_of_work() as session:
        live.tell(session)
    return bool(ear.hear_news(cursor)["cursor"] == cursor + 1)


# ---- How many


def test_fifty_windows_all_hear_of_one_payment(live_console: Console, sign_in: SignIn, bench: Bench) -> None:
    tokens = [sign_in(role) for role in ("manager", "analyst", "operator")]
    with ExitStack() as open_streams:
        ears = [open_streams.enter_context(listening(live_console, tokens[number % 3])) for number in range(50)]
        cursors = [ear.hear()["cursor"] for ear in ears]
        bench.pay()
        assert all(ear.hear_news(cursor) for ear, cursor in zip(ears, cursors, strict=True))


def test_a_person_has_so_many_streams_and_is_told_so_until_one_is_closed(live_console: Console, sign_in: SignIn) -> None:
    token = sign_in("operator")
    with live_console.client(token) as one_more, ExitStack() as open_streams:
        ears = [open_streams.enter_context(listening(live_console, token)) for _ in range(stream.MOST_OF_A_PERSON - 1)]
        assert all(ear.hear() for ear in ears)
        with listening(live_console, token) as last:
            last.hear()
            refused = one_more.get("/live/events")
            assert (refused.status_code, refused.text) == (429, stream.TooManyStreams().sentence)
            with listening(live_console, sign_in("operator")) as somebody_else:
                assert somebody_else.hear()
        again = one_more.send(one_more.build_request("GET", "/live/events"), stream=True)
        while again.status_code == 429:
            # The server learns of a closed connection a moment later than we do.
            again.close()
            again = one_more.send(one_more.build_request("GET", "/live/events"), stream=True)
        assert again.status_code == 200
        again.close()


# ---- Who


@pytest.mark.parametrize("token", [None, "made-up"])
def test_a_stranger_hears_nothing(live_console: Console, database: Database, token: str | None) -> None:
    with live_console.client(token) as browser:
        answer = browser.get("/live/events")
    assert answer.status_code == 401
    assert answer.text.startswith("You are signed out.")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
    ],
)
def test_another_sites_page_hears_nothing(live_console: Console, sign_in: SignIn, headers: dict[str, str]) -> None:
    with live_console.client(sign_in("manager")) as browser:
        answer = browser.get("/live/events", headers=headers)
    assert answer.status_code == 403
    assert answer.text.startswith("News are for the console's own pages.")


# ---- How long


def test_whoever_is_signed_out_is_told_and_hears_no_more(live_console: Console, sign_in: SignIn) -> None:
    token = sign_in("manager")
    with listening(live_console, token) as ear:
        ear.hear()
        people.sign_out(token)
        assert ear.hear_until(lambda word: word["kind"] == "over")
        assert list(ear.words) == []


def test_listening_keeps_nobody_signed_in(live_console: Console, sign_in: SignIn, database: Database) -> None:
    token = sign_in("manager")
    with database.connect() as connection:
        connection.execute("UPDATE user_sessions SET last_seen_at = now() - interval '1790 seconds' WHERE token_hash = %s", [hash_of(token)])
        seen = connection.execute("SELECT last_seen_at FROM user_sessions WHERE token_hash = %s", [hash_of(token)]).fetchone()
        with listening(live_console, token) as ear:
            # Each of these comes with another look at the session.
            for _ in range(3):
                ear.hear()
            assert connection.execute("SELECT last_seen_at FROM user_sessions WHERE token_hash = %s", [hash_of(token)]).fetchone() == seen
            connection.execute("UPDATE user_sessions SET last_seen_at = now() - interval '1801 seconds' WHERE token_hash = %s", [hash_of(token)])
            assert ear.hear_until(lambda word: word["kind"] == "over")


def test_what_changed_while_the_listener_was_away_is_caught_up_with(ear: Ear, bench: Bench) -> None:
    cursor = told_so_far(ear)
    with bench.database.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'billers live' AND datname = current_database()")
    deaf = ear.hear_until(lambda word: not word["hears"])[-1]
    assert deaf["cursor"] == cursor, "nothing new, but whoever hears this knows to look by itself"
    bench.pay()
    back = ear.hear_until(lambda word: word["hears"])[-1]
    assert back["cursor"] > cursor
    assert mine_is_next(ear, told_so_far(ear))


def test_a_server_that_is_told_to_stop_lets_its_streams_go(live_database: URL, database: Database, sign_in: SignIn, tmp_path: Path) -> None:
    token = sign_in("manager")
    with serving(live_database, tmp_path) as (console, served), ExitStack() as open_streams:
        ears = [open_streams.enter_context(listening(console, token)) for _ in range(5)]
        for ear in ears:
            ear.hear()
        served._process.send_signal(signal.SIGTERM)
        # Left open they would hold the server for 25 seconds.
        served._process.wait(timeout=12)
        for ear in ears:
            # To its last byte: an answer that is cut off would raise here.
            list(ear.words)
