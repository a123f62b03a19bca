"""Operators at their counters: a process of them, who look up, draft, review and pay at a steady pace, and note what they were told and how soon.

They use the services that the pages use. A killed process of operators is followed by another one, which goes on where the first one's notes end.
"""

import json
import os
import random
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from core import clock, logs
from core.access import Actor
from core.errors import BillersError, Busy, NotLegalNow, Unavailable
from core.services import drafts, lookups, payments, transactions
from core.services.payments import AlreadyInFlight, DuplicateSuspected, InvoiceTaken
from core.settings import settings
from core.states import Stage
from tests.campaign.city import BY_BILLER, Job, debit, job_of
from tests.matrix.town import MASM, PREPAID, REGISTRAR, TNM

T = TypeVar("T")

# How often somebody who waits looks again.
LOOK_SECONDS = 0.1
AGAIN_SECONDS = 0.2

CLICKS_TWICE = 0.1
CANCELS = 0.02

ANSWERED = frozenset({Stage.COMPLETED.value, Stage.FAILED.value})


@dataclass(frozen=True)
class Told:
    """What an operator was told of one payment: a line of the notes.

    `answers` are the seconds from each click on Pay to the payment's story on the screen, or to the sentence that said why not.
    """

    job: int
    draft: str = ""
    transaction: str = ""
    answers: tuple[float, ...] = ()
    # Answers that were "the database is away, try again".
    away: int = 0


def notes_in(path: Path, since: int = 0) -> tuple[list[Told], int]:
    """The whole lines from this byte on, and where they end: a line without its end died with its writer."""
    if not path.exists():
        return [], since
    with path.open("rb") as file:
        file.seek(since)
        whole = file.read().rpartition(b"\n")[0]
    told = []
    for line in whole.splitlines():
        # What stood without its end when its writer died, and the next one's line behind it, are one line that nobody can read: both are made again.
        with suppress(ValueError):
            told.append(Told(**json.loads(line)))
    return told, since + len(whole) + (1 if whole else 0)


def actor_from(said: Mapping[str, Any]) -> Actor:
    return Actor(uuid.UUID(said["id"]), said["username"], said["display_name"], said["role"], frozenset(said["permissions"]), "127.0.0.1")


def serve(order: Mapping[str, Any]) -> int:
    """Until every payment of this process's share was made."""
    logs.configure(settings().billers_log_level)
    crowd = _Crowd(order)
    with ThreadPoolExecutor(order["operators"]) as counters:
        for done in [counters.submit(crowd.serve_customers) for _ in range(order["operators"])]:
            done.result()
    return 0


class _Crowd:
    def __init__(self, order: Mapping[str, Any]) -> None:
        self._seed: int = order["seed"]
        self._began: float = order["began"]
        self._rate: float = order["rate"]
        self._actor = actor_from(order["actor"])
        self._changed: Mapping[str, Mapping[str, str]] = order["changed"]
        notes = Path(order["notes"])
        made = {told.job for told in notes_in(notes)[0]}
        self._jobs: Iterator[int] = (number for number in range(order["first"], order["payments"], order["step"]) if number not in made)
        self._next = threading.Lock()
        self._notes = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        # Behind whatever a killed one began.
        os.write(self._notes, b"\n")
        self._lives = count()

    def serve_customers(self) -> None:
        while True:
            with self._next:
                number = next(self._jobs, None)
            if number is None:
                return
            job = Job(**{**asdict(job_of(number, self._seed)), **self._changed.get(str(number), {})})
            due = self._began + number / self._rate
            threading.Event().wait(max(0.0, due - clock.monotonic_seconds()))
            told = self._pay(job)
            os.write(self._notes, json.dumps(asdict(told)).encode() + b"\n")

    def _pay(self, job: Job) -> Told:
        chance = random.Random(f"{self._seed}/{job.number}/operator")
        draft = uuid.UUID(job.drafted) if job.drafted else self._reviewed(job)
        answers: list[float] = []
        away = 0
        made: uuid.UUID | None = None
        while made is None:
            began = clock.monotonic_seconds()
            try:
                made = payments.submit(self._actor, draft).transaction_id
                transactions.story(self._actor, made)
            except (AlreadyInFlight, DuplicateSuspected, InvoiceTaken) as refused:
                # The operator before, of whom nothing was heard since, had got as far as this.
                answers.append(clock.monotonic_seconds() - began)
                return Told(job.number, "", str(refused.earlier.id), tuple(answers), away)
            except (Unavailable, Busy):
                away += 1
                answers.append(clock.monotonic_seconds() - began)
                threading.Event().wait(AGAIN_SECONDS)
            else:
                answers.append(clock.monotonic_seconds() - began)
        if chance.random() < CANCELS:
            with suppress(NotLegalNow, Unavailable, Busy):
                payments.cancel(self._actor, made)
        if chance.random() < CLICKS_TWICE:
            again = insist(lambda: payments.submit(self._actor, draft)).transaction_id
            if again != made:
                raise AssertionError(f"Draft {draft} was submitted as {made}, and clicked again as {again}.")
        return Told(job.number, str(draft), str(made), tuple(answers), away)

    def _reviewed(self, job: Job) -> uuid.UUID:
        """The wizard up to the review step."""
        form = {"biller": job.biller, "account": job.account, "amount": job.amount}
        if job.biller == MASM:
            form["account_type"] = "MEMBER"
        if BY_BILLER[job.biller].looks:
            form["lookup"] = self._answered(lambda: lookups.ask(self._actor, job.biller, job.account))
        if job.biller in (REGISTRAR, PREPAID):
            form["invoice"] = self._answered(lambda: lookups.ask_invoice(self._actor, job.biller, job.account, job.amount))
        if job.biller == TNM:
            form |= {"bundles": self._answered(lambda: lookups.ask_bundles(self._actor, job.biller, job.account)), "bundle": "D7"}
        return insist(lambda: review(self._actor, job, form))

    def _answered(self, ask: Callable[[], uuid.UUID]) -> str:
        """Asks again and again, as one does, until the biller has told."""
        while True:
            asked = insist(ask)
            while (found := insist(lambda asked=asked: transactions.find(self._actor, asked))).stage not in ANSWERED:
                threading.Event().wait(LOOK_SECONDS)
            if found.stage == Stage.COMPLETED.value:
                return str(asked)


def review(actor: Actor, job: Job, form: Mapping[str, str]) -> uuid.UUID:
    """From the filled-in form to the frozen draft."""
    draft = drafts.begin(actor, form)
    debit(actor, job, draft.id)
    return drafts.freeze(actor, draft.id).draft.id


def insist(act: Callable[[], T]) -> T:
    """What a person does while the database is away: the same again."""
    while True:
        try:
            return act()
        except (Unavailable, Busy, psycopg.OperationalError):
            threading.Event().wait(AGAIN_SECONDS)
        except BillersError as error:
            raise AssertionError(f"{type(error).__name__}: {error.sentence}") from error
