"""What comes with the page, and opens a stranger's window: how long, and to whom it is given."""

import base64
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from core.api import visits
from core.api.visits import LASTS_SECONDS, seconds_left, visit_until
from tests.world import SetEnvironment

MORNING = datetime(2026, 11, 26, 6, 0, tzinfo=UTC)


@pytest.fixture
def morning(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(visits.clock, "now", lambda: MORNING)
    return int(MORNING.timestamp())


def test_one_is_good_until_its_moment_and_no_longer(morning: int, monkeypatch: pytest.MonkeyPatch) -> None:
    visit = visit_until(morning + LASTS_SECONDS)
    assert seconds_left(visit) == LASTS_SECONDS
    monkeypatch.setattr(visits.clock, "now", lambda: MORNING + timedelta(seconds=LASTS_SECONDS - 1))
    assert seconds_left(visit) == 1
    monkeypatch.setattr(visits.clock, "now", lambda: MORNING + timedelta(seconds=LASTS_SECONDS))
    assert seconds_left(visit) == 0


@pytest.mark.parametrize("made_up", [None, "", ".", "1.2.3", "x", "-5.ab", "²3.ab", "9" * 5000, f"{9 * 10**11}.{'0' * 64}", "1764140400.\u0661"])
def test_what_nobody_here_gave_is_worth_nothing(morning: int, made_up: str | None) -> None:
    assert seconds_left(made_up) == 0


def test_a_longer_life_cannot_be_written_into_one(morning: int) -> None:
    _, _, seal = visit_until(morning + 60).partition(".")
    assert seconds_left(f"{morning + LASTS_SECONDS}.{seal}") == 0


def test_without_keys_to_share_another_process_gives_its_own(morning: int, monkeypatch: pytest.MonkeyPatch) -> None:
    visit = visit_until(morning + 60)
    monkeypatch.setattr(visits, "_OWN_KEY", b"of another process")
    assert seconds_left(visit) == 0


def ring(*names: str) -> str:
    return json.dumps({name: base64.b64encode(name.encode().ljust(32)).decode() for name in names})


def test_one_is_good_wherever_the_vault_has_the_same_keys(morning: int, monkeypatch: pytest.MonkeyPatch, set_environment: SetEnvironment) -> None:
    set_environment(billers_vault_keys=ring("k1"))
    visit = visit_until(morning + 60)
    # Another process: what it has of its own is another, and its ring is the same.
    monkeypatch.setattr(visits, "_OWN_KEY", b"of another process")
    assert seconds_left(visit) == 60
    set_environment(billers_vault_keys=ring("k1", "k2"))
    assert seconds_left(visit) == 60
    set_environment(billers_vault_keys=ring("k2"))
    assert seconds_left(visit) == 0


@pytest.mark.parametrize("path", ["/", "/payment", "/no-such-page", "/_stcore/health", "/_stcore/host-config"])
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_it_comes_with_the_page_and_with_what_is_asked_before_a_websocket(console, path: str, encoding: str) -> None:  # type: ignore[no-untyped-def]
    cookies = httpx.get(console.url + path, headers={"Accept-Encoding": encoding}, trust_env=False).headers.get_list("set-cookie")
    (given,) = (cookie for cookie in cookies if cookie.startswith("billers-visit="))
    assert {"HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={LASTS_SECONDS}"} <= set(given.split("; "))


@pytest.mark.parametrize("path", ["/healthz", "/favicon.png", "/session/leave", "/receipt/x.pdf", "/_stcore/metrics", "/live/events"])
def test_nothing_else_gives_one(console, path: str) -> None:  # type: ignore[no-untyped-def]
    answer = httpx.get(console.url + path, trust_env=False)
    assert not any(cookie.startswith("billers-visit=") for cookie in answer.headers.get_list("set-cookie"))


def test_who_has_a_fresh_one_is_given_no_other(console) -> None:  # type: ignore[no-untyped-def]
    answer = httpx.get(console.url, headers={"Cookie": console.visit}, trust_env=False)
    assert not any(cookie.startswith("billers-visit=") for cookie in answer.headers.get_list("set-cookie"))
