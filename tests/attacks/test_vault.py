"""Sealed secrets moved about by somebody who may write to the database and has no key: what opens there, and whom it reaches."""

import asyncio
import base64
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from core import db
from core.ids import new_id
from core.models import BillerConfig
from core.models.vault import PLACES
from core.security import vault
from core.services import claims, lookups, settlement, tokens
from core.services.deployment import line_policy
from core.services.errands import NOT_PREPARED, Result, perform
from core.services.tokens import TokenLocked
from core.wire.contract import Outcome, Receipt
from core.wire.line import Line
from tests.attacks.report import ControlFired, Refused
from tests.payments.bench import CODE, WORKER, Bench
from tests.wire.sockets import Conversation, Heard, biller
from tests.world import Database, SetEnvironment

# Whose credentials are worth having; the attacker's own biller is CODE.
VICTIM = "BWB_POSTPAID"
VICTIMS_PASSWORD = "the-password-of-blantyre"

CHEAP, DEAR = "11111111111111111111", "99999999999999999999"


@pytest.fixture
def bench(database: Database, set_environment: SetEnvironment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    set_environment(billers_sandbox="true")
    vault.ensure_ring()
    made = Bench(database)
    made.enter(monkeypatch)
    yield made
    made.close()


@contextmanager
def binding_off() -> Iterator[None]:
    """A vault like many: what is sealed with the key opens wherever it stands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault, "_place", lambda *_place: b"")
        yield


def enter_credentials() -> dict[str, uuid.UUID]:
    """For both billers, each with a password of its own."""
    with db.unit_of_work() as session:
        configs = {config.biller_type: config for config in session.scalars(select(BillerConfig)) if config.biller_type in (CODE, VICTIM)}
        for code, config in configs.items():
            said = {"username": "billers", "password": VICTIMS_PASSWORD if code == VICTIM else "the-attackers-own"}
            config.authentication = vault.seal_secret(said, "biller_configs", config.id, "authentication")
        return {code: config.id for code, config in configs.items()}


def move(bench: Bench, table: str, column: str, key: str, source: uuid.UUID, target: uuid.UUID) -> None:
    """As a superuser can, the table's own rules put aside."""
    with bench.database.connect() as connection, connection.transaction():
        connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        moved = connection.execute(f"UPDATE {table} SET {column} = (SELECT {column} FROM {table} WHERE {key} = %s) WHERE {key} = %s", (source, target))
        connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    assert moved.rowcount == 1


async def listen(conversation: Conversation) -> None:
    await conversation.listen()
    conversation.reset()


def ask_the_attackers_biller(bench: Bench) -> tuple[uuid.UUID, Heard, Result]:
    """An operator looks an account up at the biller whose address is the attacker's; a worker carries it out."""

    async def carry_out() -> tuple[uuid.UUID, Heard, Result]:
        async with biller(listen) as heard:
            bench.configure(base_url=f"http://127.0.0.1:{heard.port}/lwb")
            # After the last version was written: what is sent is what stands in the row.
            ids = {config.biller_type: config.id for config in configs()}
            move(bench, "biller_configs", "authentication", "id", ids[VICTIM], ids[CODE])
            asked = lookups.ask(bench.operator, CODE, bench.account())
            (errand,) = claims.claim_lookups(WORKER, {CODE: 1})
            return asked, heard, await perform(Line(line_policy()), errand)

    return asyncio.run(carry_out())


def configs() -> list[BillerConfig]:
    with db.unit_of_work() as session:
        return list(session.scalars(select(BillerConfig)))


def reached(heard: Heard) -> bool:
    return base64.b64encode(f"billers:{VICTIMS_PASSWORD}".encode()) in heard.request


@pytest.mark.attack("ciphertext-swap")
def test_another_billers_credentials_go_to_nobody_from_the_attackers_row(bench: Bench, control_fired: ControlFired, refused: Refused) -> None:
    with binding_off():
        enter_credentials()
        _, heard, _ = ask_the_attackers_biller(bench)
        assert reached(heard)
        control_fired("with envelopes bound to no place, the attacker's listener got the other biller's password")

    enter_credentials()
    with capture_logs() as logged:
        asked, heard, result = ask_the_attackers_biller(bench)
    assert (heard.connections, heard.request) == (0, b""), "the biller was not even called"
    assert (result.outcome, result.failure) == (Outcome.NOT_SENT, NOT_PREPARED)
    settlement.conclude([result])
    told = bench.find(asked)
    assert told.stage == "FAILED"
    assert told.error_message == (
        "The stored credentials of Lilongwe Water Board do not open: they were changed or moved, or their key is gone."
        " Nothing was sent. Have an administrator enter them."
    )
    (entry,) = [line for line in logged if line["event"] == "errand.credentials_do_not_open"]
    assert entry["biller"] == CODE
    assert VICTIMS_PASSWORD not in str(logged)
    refused(
        "bound to its row, the envelope did not open, nobody was called, and the operator was told in a sentence", record="credentials_do_not_open in the log"
    )


def sell(bench: Bench, token: str) -> uuid.UUID:
    made = bench.pay()
    receipt = Receipt(Outcome.CONFIRMED, "SUCCESS", external_id="SRWB-77", token=token)
    settlement.conclude([Result(bench.claim(), new_id(), Outcome.CONFIRMED, receipt=receipt)])
    return made


def steal(bench: Bench) -> tuple[uuid.UUID, Any]:
    """The dear token's envelope under the cheap payment, which is the attacker's own: they may see that one's token."""
    cheap, dear = sell(bench, CHEAP), sell(bench, DEAR)
    move(bench, "vended_tokens", "envelope", "transaction_id", dear, cheap)
    return cheap, lambda: tokens.reveal(bench.operator, cheap)


@pytest.mark.attack("ciphertext-swap")
def test_a_token_moved_under_another_payment_is_shown_to_nobody(bench: Bench, control_fired: ControlFired, refused: Refused) -> None:
    with binding_off():
        _, reveal = steal(bench)
        assert reveal().replace(" ", "") == DEAR
        control_fired("with envelopes bound to no place, the dear token was read under the cheap payment")

    cheap, reveal = steal(bench)
    with capture_logs() as logged, pytest.raises(TokenLocked, match="it cannot be opened") as refusal:
        reveal()
    assert "/" not in refusal.value.sentence
    assert [(line["event"], line["transaction"]) for line in logged] == [("tokens.cannot_open", str(cheap))]
    assert bench.sql("SELECT count(*) FROM audit_entries WHERE action = 'token.revealed' AND subject_id = %s", str(cheap)) == [(0,)]
    assert DEAR not in str(logged)
    refused("bound to its payment, the envelope did not open", record="tokens.cannot_open in the log")


@pytest.mark.attack("ciphertext-swap")
def test_an_envelope_opens_under_no_other_table_and_column(bench: Bench, control_fired: ControlFired, refused: Refused) -> None:
    """Moved from where few may look to where many may: credentials into the place of a token."""
    with binding_off():
        ids = enter_credentials()
        envelope = next(config.authentication for config in configs() if config.id == ids[VICTIM])
        assert vault.open_secret(envelope or "", "vended_tokens", ids[VICTIM], "token")["password"] == VICTIMS_PASSWORD
        control_fired("with envelopes bound to no place, credentials were read in the place of a token")

    ids = enter_credentials()
    envelope = next(config.authentication for config in configs() if config.id == ids[VICTIM])
    for place in {one.bound_to for one in PLACES} - {("biller_configs", "id", "authentication"), ("biller_configs", "config_id", "authentication")}:
        with pytest.raises(vault.CannotOpen):
            vault.open_secret(envelope or "", place[0], ids[VICTIM], place[2])
    refused("bound to table and column, they open nowhere else")
