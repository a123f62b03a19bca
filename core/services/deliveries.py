"""Telling people what happened, behind the payments: events become deliveries, and each delivery is tried until it is taken, or dead.

It knows one thing: nothing here may touch a payment. It has threads of its own, holds no database transaction while it waits for anybody, and whatever
fails, fails here. A delivery is claimed by a lease, so that one of a worker that was killed is made by another; it may then arrive twice, with the same id.

Two things can go wrong, and they are told apart. A channel that cannot be reached is tried again by one delivery after a growing wait, while all others
wait with it: that is no try of theirs. A receiver that answers with a no is asked again a few times, after waits of that delivery's own.
"""

import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import structlog

from core import clock, db
from core.errors import BillersError, Unavailable
from core.models import NotificationChannel, NotificationEvent, NotificationSubscription
from core.models.notifications import DeliveryState, Happening, Medium
from core.repositories.outbox import Claimed, Outbox, Recipient
from core.services import channels, notification_words
from core.services.channels import Message
from core.services.notification_words import Words
from core.services.statistics import business_zone
from core.settings import settings
from core.wire.notice import OutOfReach, Said

log = structlog.get_logger(__name__)

# Events that are spread in one unit of work: some hundredths of a second.
EVENTS_AT_ONCE = 200

# Deliveries that are claimed together, and sent one after the other. What is left after so long is let go: a lease must not end under a delivery.
CLAIMED_AT_ONCE = 50
AT_MOST_SECONDS = 60.0
LEASE = timedelta(minutes=3)

# Channels that are sent by at once. One that hangs takes one thread.
CHANNELS_AT_ONCE = 8

# After a no: soon, then ever later, for a good day and a half in all. Then it is dead, and a person is needed.
WAITS = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1_800, 7_200, 21_600, 43_200, 43_200))
MOST_TRIES = len(WAITS) + 1

# A channel that cannot be reached: asked again by one delivery.
CHANNEL_WAITS = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 15, 30, 60, 120))

# What nobody could be told for so long is no news any more.
OLD_NEWS = timedelta(days=3)

# The log is kept for a quarter of a year. Some at a time, so that it is soon over.
KEPT = timedelta(days=92)
FORGOTTEN_AT_ONCE = 5_000


# ---- From events to deliveries


def spread() -> int:
    """Writes a delivery for everybody who is to be told of what happened, and answers how many events there were."""
    done = 0
    while count := _spread_some():
        done += count
        if count < EVENTS_AT_ONCE:
            break
    return done


def _spread_some() -> int:
    with db.unit_of_work() as session:
        outbox = Outbox(session)
        events = outbox.unspread(EVENTS_AT_ONCE)
        if not events:
            return 0
        subscribed, templates = outbox.subscribed({one.event for one in events}), outbox.templates()
        own = {key: Words(one.subject, one.body) for key, one in templates.items()}
        rows: list[dict[str, Any]] = []
        for event in events:
            wanted = {to for one, medium in subscribed if _matches(one, event) for to in _recipients(outbox, one, medium, event)}
            rows += [_delivery(event, to, own.get((event.event, to.medium.value))) for to in sorted(wanted, key=lambda to: (str(to.channel_id), to.address))]
        outbox.add_deliveries(rows)
        outbox.mark_spread([one.id for one in events])
        return len(events)


def _matches(one: NotificationSubscription, event: NotificationEvent) -> bool:
    return one.event == event.event and one.biller_type in (None, event.biller_type)


def _recipients(outbox: Outbox, one: NotificationSubscription, medium: Medium, event: NotificationEvent) -> list[Recipient]:
    if medium is Medium.WEBHOOK:
        return [Recipient(one.channel_id, medium, "")]
    addresses = outbox.addresses_of(one.role, medium, event.biller_type, _only(event)) if one.role else [one.address or ""]
    return [Recipient(one.channel_id, medium, address) for address in addresses if address]


def _only(event: NotificationEvent) -> uuid.UUID | None:
    """Of a role that one of them whom it concerns, where it concerns one: whoever proposed what was decided."""
    maker = event.facts.get("maker")
    return uuid.UUID(maker) if maker else None


def _delivery(event: NotificationEvent, to: Recipient, own: Words | None) -> dict[str, Any]:
    """Words that cannot be used keep nobody from being told: the usual ones take their place, and the log says so."""
    said, told = Words("", ""), None
    if to.medium is not Medium.WEBHOOK:
        happening = Happening(event.event)
        values = notification_words.values_of(happening, event.facts, event.at, business_zone(), settings().billers_bank_name)
        usual = notification_words.usual(happening, to.medium)
        try:
            said = notification_words.filled(own or usual, values, to.medium)
        except KeyError as error:
            said = notification_words.filled(usual, values, to.medium)
            told = f"The usual words were used: in the bank's own, {{{error.args[0]}}} stands for nothing."
    return {"event_id": event.id, "channel_id": to.channel_id, "address": to.address, "subject": said.subject, "body": said.body, "told": told}


# ---- From deliveries to people


def deliver_by(channel: NotificationChannel, go_on: Callable[[], bool] = lambda: True) -> int:
    """Makes what is due by this channel, some of it, and answers how many were taken. `go_on` is asked between two of them."""
    most = CLAIMED_AT_ONCE if channel.failures == 0 else 1
    with db.unit_of_work() as session:
        outbox = Outbox(session)
        claimed = outbox.claim(channel.id, most, LEASE)
        events = outbox.events_of({one.event_id for one in claimed})
    left, taken, ends = list(claimed), 0, clock.monotonic_seconds() + AT_MOST_SECONDS
    try:
        if claimed:
            with channels.open_way(Medium(channel.medium), channels.unsealed(channel)) as send:
                while left and go_on() and clock.monotonic_seconds() < ends:
                    began = clock.monotonic_seconds()
                    said = send(_message(left[0], events[left[0].event_id]))
                    reached = _keep(channel, left[0], said, _since(began))
                    left.pop(0)
                    taken += said.taken
                    if not reached:
                        break
    except Exception as error:  # noqa: BLE001 - whatever it is: nobody was told, and it is tried again
        if left:
            _keep(channel, left.pop(0), Said(False, _in_words(error), reached=False), 0)
    if left:
        with db.unit_of_work() as session:
            Outbox(session).let_go(left)
    return taken


def _message(one: Claimed, event: NotificationEvent) -> Message:
    data = notification_words.as_data(event.facts)
    return Message(one.id, one.address, one.subject, one.body, event.event, event.id, event.at, event.biller_type, data)


def _keep(channel: NotificationChannel, one: Claimed, said: Said, duration_ms: int) -> bool:
    """Writes down what came of it. False where the channel could not be reached: nothing more need be tried by it now."""
    with db.unit_of_work() as session:
        outbox = Outbox(session)
        outbox.keep_attempt(one.id, channel.name, delivered=said.taken, answer=said.answer, duration_ms=duration_ms)
        if said.taken:
            outbox.conclude(one, DeliveryState.DELIVERED, said.answer, tries=one.tries + 1)
        elif not said.reached:
            wait = CHANNEL_WAITS[min(channel.failures, len(CHANNEL_WAITS) - 1)]
            is_old = clock.now() - one.created_at > OLD_NEWS
            # Behind the others: should it be this one that brings the receiver down, the next probe is another.
            outbox.conclude(one, DeliveryState.DEAD if is_old else DeliveryState.WAITING, said.answer, tries=one.tries, wait=wait)
            outbox.note_out_of_reach(channel.id, wait)
        else:
            _ask_again(outbox, one, said)
        if said.reached:
            outbox.note_reached(channel.id)
    return said.reached


def _ask_again(outbox: Outbox, one: Claimed, said: Said) -> None:
    tries = one.tries + 1
    if said.for_good or tries >= MOST_TRIES:
        outbox.conclude(one, DeliveryState.DEAD, said.answer, tries=tries)
    else:
        outbox.conclude(one, DeliveryState.WAITING, said.answer, tries=tries, wait=WAITS[tries - 1])


def _in_words(error: Exception) -> str:
    """For the log. What is no sentence of ours may quote anything, a password too: of that only its kind is told."""
    if isinstance(error, BillersError):
        return error.sentence
    if isinstance(error, OutOfReach):
        return str(error)
    log.error("deliveries.failed", error=type(error).__name__)
    return f"It could not be tried ({type(error).__name__})."


def _since(began: float) -> int:
    return round((clock.monotonic_seconds() - began) * 1000)


def forget_old() -> int:
    """Takes away what happened long ago. A job (core.services.job_table)."""
    with db.unit_of_work() as session:
        return Outbox(session).forget(KEPT, FORGOTTEN_AT_ONCE)


# ---- In the worker


class Postman:
    """Goes round in threads of its own, so that whoever hangs takes none of those that payments need. One channel is sent by in one thread at a time."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(CHANNELS_AT_ONCE + 1, thread_name_prefix="notifications")
        self._lock = threading.Lock()
        self._busy: set[uuid.UUID | None] = set()
        self._stopping = threading.Event()

    def go_round(self) -> None:
        """Answers at once, whatever is going on."""
        self._start(None, self._look)

    def stop(self) -> None:
        """What is being sent ends by itself, in some seconds; nothing more begins."""
        self._stopping.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> None:
        spread()
        with db.glance() as session:
            due: Sequence[NotificationChannel] = Outbox(session).channels_due()
        for channel in due:
            self._start(channel.id, lambda channel=channel: self._deliver(channel))  # type: ignore[misc]

    def _deliver(self, channel: NotificationChannel) -> None:
        deliver_by(channel, lambda: not self._stopping.is_set())

    def _start(self, what: uuid.UUID | None, act: Callable[[], None]) -> None:
        with self._lock:
            if what in self._busy or self._stopping.is_set():
                return
            self._busy.add(what)
        self._threads.submit(self._run, what, act)

    def _run(self, what: uuid.UUID | None, act: Callable[[], None]) -> None:
        try:
            act()
        except Unavailable:
            pass
        except Exception as error:  # noqa: BLE001 - one bad round must not end the rounds
            log.error("deliveries.round_failed", error=type(error).__name__, detail=str(error)[:200])
        finally:
            with self._lock:
                self._busy.discard(what)
