"""Whatever carries a secret through the code shows that it is there, and not what it says: in a log, a trace, a debugger or an error page."""

import dataclasses
import importlib
import inspect
import pkgutil
import re
import traceback
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import core
from core.adapters import adapters
from core.errors import Misconfigured
from core.money import Money
from core.security import vault
from core.services.errands import TheBiller
from core.settings import settings
from core.wire.contract import Payment, Receipt, Reply, Request, Terms, Verb
from tests.world import SetEnvironment

CANARY = "canary-7f3a9c-mwk"

# A field whose name says so, and whose type can hold one.
TELLING = re.compile(r"(^|_)(password|passwd|secret|secrets|credentials|entered|api_key|keys|body|headers|password_hash|token)$")
HOLDS_TEXT = re.compile(r"str|bytes|bytearray|Mapping|dict")

# What only sounds like it; and the ring, which says by itself what it shows.
HARMLESS = {
    ("core.repositories.rollup_tables", "keys"),
    ("core.repositories.walks", "keys"),
    ("core.banking.documents", "body"),
    ("core.security.vault", "keys"),
    # A template: nothing is in it yet.
    ("core.services.notification_words", "body"),
}


def dataclasses_of_core() -> Iterator[type[Any]]:
    for found in pkgutil.walk_packages(core.__path__, "core."):
        if found.name.startswith("core.sandbox") or found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ == found.name and dataclasses.is_dataclass(kind):
                yield kind


def test_no_field_that_may_hold_a_secret_is_shown() -> None:
    shown = [
        f"{kind.__module__}.{kind.__name__}.{one.name}"
        for kind in dataclasses_of_core()
        for one in dataclasses.fields(kind)
        if TELLING.search(one.name) and HOLDS_TEXT.search(str(one.type)) and one.repr and (kind.__module__, one.name) not in HARMLESS
    ]
    assert shown == []


CREDENTIALS: Mapping[str, str] = {"username": "billers", "password": CANARY, "token": CANARY, "api_key": CANARY, "pin": CANARY}


@pytest.mark.parametrize("code", sorted(adapters()))
def test_what_carries_credentials_to_a_biller_does_not_show_them(code: str) -> None:
    terms = Terms("https://biller.example", {}, CREDENTIALS)
    adapter = adapters()[code](terms)
    for carrier in (terms, adapter, Request("POST", f"/pay?pin={CANARY}", {"Authorization": CANARY}, CANARY.encode())):
        assert CANARY not in f"{carrier!r} {carrier}"
    payment = Payment("REF", "70000001", Money.from_text("5475.50"), bundle_id="D7", invoice_number="I1")
    for verb in (Verb.PAY, Verb.CONFIRM_INVOICE, Verb.PURCHASE_BUNDLE):
        if hasattr(adapter, verb.value):
            assert CANARY not in repr(getattr(adapter, verb.value)(payment))


def test_what_comes_back_with_a_token_does_not_show_it() -> None:
    told = (Reply(200, {"set-cookie": CANARY}, CANARY.encode()), Receipt(outcome=None, token=CANARY))  # type: ignore[arg-type]
    assert CANARY not in repr(told)


def test_a_trace_with_every_variable_has_no_opened_secret_in_it() -> None:
    """Sentry-like tools print the locals of every frame. Where credentials are opened and handed on, none of them says what they are."""
    ring = vault.ensure_ring()
    config_id = uuid.uuid4()
    envelope = vault.seal_secret(dict(CREDENTIALS), "biller_configs", config_id, "authentication")
    party = TheBiller("LWB_POSTPAID", config_id, None, envelope)  # type: ignore[arg-type]

    def fails(credentials: Mapping[str, str]) -> None:
        held = Terms("https://biller.example", {}, credentials)
        raise RuntimeError(f"a defect in the adapter of {held.base_url}")

    try:
        fails(party._credentials())
    except RuntimeError as error:
        told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "Opened(" in told, "the frames are there, with what they hold"
    assert CANARY not in told
    assert not any(key.hex() in told for key in ring.keys.values())


def test_the_settings_show_no_secret(set_environment: SetEnvironment) -> None:
    set_environment(database_url=f"postgresql://billers:{CANARY}@db.bank.example/billers", t24_api_key=CANARY, billers_vault_keys=CANARY)
    assert CANARY not in f"{settings()!r} {settings()}"


def test_a_complaint_about_the_environment_quotes_nothing(set_environment: SetEnvironment) -> None:
    set_environment(database_url=f"postgresql://billers:{CANARY}@db.bank.example/billers", billers_time_factor="0.5")
    with pytest.raises(Misconfigured, match="BILLERS_TIME_FACTOR") as refused:
        settings()
    assert CANARY not in "".join(traceback.format_exception(refused.value))
