"""A biller the sandbox has no module for: its recordings are replayed. What a recording says was paid is an effect here, in a ledger like every other."""

from collections.abc import Mapping, Sequence

from core.sandbox.behaviours import Behaviour
from core.sandbox.book import Book, Payment
from core.sandbox.delivery import Pace
from core.sandbox.messages import Refused, Reply, Request, plain
from core.sandbox.recordings import Recording, most_like
from core.sandbox.sign_in import Credentials
from core.sandbox.teller import Settings, amount_of
from core.sandbox.words import MOVES_MONEY, NOT_FOUND, PENDING, SUCCESS, Acts, Answer, Ask, Verb

CURRENCY = "MWK"

# What an answer's code is called in a recording. Any other code is one that nobody knows.
OUTCOMES: Mapping[str, str] = {SUCCESS: "CONFIRMED", PENDING: "ACCEPTED", NOT_FOUND: "NOT_FOUND", "REJECTED": "REJECTED"}
CODES: Mapping[str, str] = {outcome: code for code, outcome in OUTCOMES.items()}


class Replay:
    """The dialect: operations are called by their verbs. Who asks is not checked."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self.recordings = recordings
        self.operations: Mapping[str, Verb] = {recording.verb.value: recording.verb for recording in recordings}

    def serves(self, path: str) -> bool:
        return True

    def understand(self, request: Request, path: str, credentials: Credentials) -> Ask:
        found = most_like(self.recordings, request, path)
        if found is None:
            raise Refused(plain(404, "No recording is like this request."))
        recording, blanks = found
        given = {**recording.ask, **blanks}
        details = {name: given[name] for name in ("account_type", "invoice_number", "bundle_id") if given.get(name)}
        return Ask(
            recording.verb,
            recording.verb.value,
            reference=blanks.get("reference", ""),
            account=blanks.get("account", ""),
            amount=given.get("amount", "") if recording.verb in MOVES_MONEY else "",
            currency=given.get("currency", CURRENCY),
            details={**details, "recording": recording.stem},
        )

    def say(self, answer: Answer, fault_status: int) -> Reply:
        recording = self._recording(answer)
        if recording is None:
            return plain(500, f"There is no recording of {answer.ask.operation} that says {answer.code}.")
        reply = recording.reply_with({**answer.ask.details, **answer.echoing})
        return Reply(reply.status, reply.body * answer.copies, reply.content_type, reply.headers)

    def _recording(self, answer: Answer) -> Recording | None:
        asked = self.named(answer.ask)
        wanted = OUTCOMES.get(answer.code, "UNKNOWN") if answer.code else asked.outcome
        return asked if asked.outcome == wanted else self.first(answer.ask.verb, wanted)

    def named(self, ask: Ask) -> Recording:
        """The recording that a request was understood by."""
        return next(recording for recording in self.recordings if recording.stem == ask.details["recording"])

    def first(self, verb: Verb, outcome: str) -> Recording | None:
        return next((recording for recording in self.recordings if (recording.verb, recording.outcome) == (verb, outcome)), None)


class Replayer:
    """The teller: money moves where the recording says CONFIRMED, or ACCEPTED and then asked about."""

    def __init__(self, dialect: Replay, book: Book, settings: Settings, pace: Pace) -> None:
        self._dialect = dialect
        self._book = book
        self._settings = settings
        self._pace = pace

    def behaviour(self, ask: Ask) -> tuple[str, Behaviour] | None:
        return None

    def answer(self, ask: Ask, acts: Acts) -> Answer:
        match ask.verb:
            case Verb.PAY | Verb.CONFIRM_INVOICE | Verb.PURCHASE_BUNDLE:
                return self._pay(ask, acts)
            case Verb.STATUS:
                return self._tell(ask)
            case Verb.REVERSE:
                return self._reverse(ask)
        return _as_recorded(ask, self._dialect.named(ask))

    def _pay(self, ask: Ask, acts: Acts) -> Answer:
        known = None if self._settings.deduplicates == "no" else self._known(ask)
        if known is not None:
            return known
        recording = self._dialect.named(ask)
        if recording.outcome == "REJECTED":
            self._book.reject(ask, "REJECTED")
        if recording.outcome not in ("CONFIRMED", "ACCEPTED"):
            return _as_recorded(ask, recording)
        done = self._dialect.first(ask.verb, "CONFIRMED") if recording.outcome == "ACCEPTED" else recording
        external_id, vended = (done.external_id, done.understood) if done else ("", {})
        if recording.outcome == "CONFIRMED" and acts is Acts.AT_ONCE:
            return _receipt(ask, self._book.pay(ask, amount_of(ask), vended, external_id), SUCCESS)
        asks = None if acts is Acts.ACCEPTS_FOREVER else self._pace.asks_until_done
        return _receipt(ask, self._book.accept(ask, amount_of(ask), vended, asks, external_id), PENDING)

    def _tell(self, ask: Ask) -> Answer:
        known = None if self._settings.inquiry_lies else self._known(ask)
        paid = self._book.paid.get(ask.reference)
        if known is not None and paid is None:
            self._book.ask_about(ask.reference)
        if known is None or (paid and not paid.announced and self._book.seconds_since(paid) < self._settings.inquiry_lag_seconds):
            refused = ask.reference in self._book.rejected and not self._settings.inquiry_lies and self._dialect.first(ask.verb, "REJECTED")
            return Answer(ask, {"status": "REJECTED" if refused else NOT_FOUND})
        return known

    def _reverse(self, ask: Ask) -> Answer:
        paid = self._book.paid.get(ask.reference)
        recording = self._dialect.named(ask)
        if paid is None:
            return Answer(ask, {"status": NOT_FOUND})
        if recording.outcome == "CONFIRMED" and ask.reference not in self._book.reversed:
            self._book.reverse(paid)
        return _receipt(ask, paid, CODES.get(recording.outcome, recording.outcome))

    def _known(self, ask: Ask) -> Answer | None:
        """What became of a reference that money moved for, or will."""
        if ask.reference in self._book.paid:
            return _receipt(ask, self._book.paid[ask.reference], SUCCESS)
        if ask.reference in self._book.accepted:
            return _receipt(ask, self._book.accepted[ask.reference][0].payment, PENDING)
        return None


def _as_recorded(ask: Ask, recording: Recording) -> Answer:
    return Answer(ask, {"account": ask.account, "status": CODES.get(recording.outcome, recording.outcome)})


def _receipt(ask: Ask, payment: Payment, status: str) -> Answer:
    said = {"external_id": payment.external_id, "reference": payment.reference, "account": payment.account, "amount": f"{payment.amount:.2f}"}
    return Answer(ask, {**said, **{name: payment.details[name] for name in ("invoice_number", "bundle_id") if name in payment.details}, "status": status})
