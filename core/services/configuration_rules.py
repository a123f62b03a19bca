"""What may be configured for a biller: one pure function from a configuration to sentences, field by field. The form asks it, and so does the service.

A configuration is here what its JSON is: `Snapshot`'s fields as plain values, amounts as text. A field's path is its name, and inside another one
`validation_rules.amount_min`, `endpoints.payment`.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, NoReturn

from pydantic import ValidationError

from core.adapters import adapter_for, adapters
from core.banking.contract import Transfer
from core.banking.rooms import ROOM, checked
from core.errors import BadInput, BillersError
from core.models.snapshot import Snapshot, ValidationRules
from core.money import LARGEST, MINOR_UNITS, Money
from core.services import account_patterns
from core.states import Topology
from core.wire.contract import Biller, Payment, Query, Terms, Verb
from core.wire.destination import LinePolicy, Refused, destination, may_connect, networks
from core.wire.esb_biller import ESB

Content = Mapping[str, Any]
Check = Callable[[Any, Content], str | None]

# Whatever is typed is read; what is longer than this is no configuration.
LONGEST_JSON = 50_000

LONGEST_REASON = 200
MOST_ACCOUNT_TYPES = 20
LONGEST_CREDENTIAL = 4_000

# What a configuration may switch beside the verbs of its biller: whether the balance a look-up tells is shown.
BALANCE_CHECK = "balance_check"

RULES = "validation_rules"

_TYPE_CODE = re.compile(r"[A-Z0-9_]{1,20}", re.ASCII)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

# Only to see how a path reads: any host that could be allowed.
_ANYWHERE = LinePolicy(allowed_hosts=("biller.example",))


class Invalid(BadInput):
    """Some fields need correcting; nothing was saved."""

    def __init__(self, complaints: Mapping[str, str]) -> None:
        self.complaints = complaints
        count = len(complaints)
        fields = "1 field needs" if count == 1 else f"{count} fields need"
        super().__init__(f"Nothing was saved: {fields} correcting. {next(iter(complaints.values()))}")


# ---- The one question


def complaints(content: Content, policy: LinePolicy, *, core_banking: bool) -> dict[str, str]:
    """Path of a field → what is wrong with it, and what to write instead. Empty: it may be saved.

    `core_banking` says whether this deployment has one. Reads no database and no network; the same arguments always get the same answer.
    """
    found = dict(_checked(tidy(content), policy, core_banking))
    return found or _misfits(tidy(content))


def tidy(content: Content) -> dict[str, Any]:
    """Without blanks around texts, and with None for what is empty but need not be there."""
    trimmed = {name: value.strip() if isinstance(value, str) else value for name, value in content.items()}
    for name in ("description", "credit_account", "credit_account_type"):
        trimmed[name] = trimmed.get(name) or None
    return trimmed


def snapshot_of(content: Content, policy: LinePolicy, *, core_banking: bool) -> Snapshot:
    """The configuration as values. Raises `Invalid` with every complaint there is."""
    if found := complaints(content, policy, core_banking=core_banking):
        raise Invalid(found)
    return Snapshot.model_validate(tidy(content))


def _checked(content: Content, policy: LinePolicy, core_banking: bool) -> Iterator[tuple[str, str]]:
    yield from _strangers(content, Snapshot.model_fields, "")
    for name, check in CHECKS.items():
        if sentence := check(content.get(name, _default(name)), content):
            yield name, sentence
    yield from _debit(content, core_banking)
    if "base_url" in content and (sentence := _base_url(content["base_url"], policy)):
        yield "base_url", sentence
    elif "base_url" not in content:
        yield "base_url", "Write where the biller is reached, for example https://api.biller.example/v2."
    yield from _endpoints(content)
    yield from _features(content)
    rules = content.get(RULES, {})
    if not isinstance(rules, Mapping):
        yield RULES, 'Validation rules are an object: {"account_pattern": …}.'
        return
    yield from _strangers(rules, ValidationRules.model_fields, f"{RULES}.")
    for name, check_rule in RULE_CHECKS.items():
        if sentence := check_rule(rules.get(name, ValidationRules.model_fields[name].get_default()), content):
            yield f"{RULES}.{name}", sentence


def _misfits(content: Content) -> dict[str, str]:
    """The last net: whatever the values' own types refuse and no check above has put in words of its own."""
    try:
        Snapshot.model_validate(dict(content))
    except ValidationError as error:
        return {".".join(str(part) for part in detail["loc"]): f"This value cannot be used: {detail['msg']}." for detail in error.errors()}
    return {}


def _default(name: str) -> Any:
    field = Snapshot.model_fields[name]
    return None if field.is_required() else field.get_default(call_default_factory=True)


def _strangers(content: Content, known: Collection[str], prefix: str) -> Iterator[tuple[str, str]]:
    for name in content:
        if name not in known:
            yield f"{prefix}{name}", f"There is no setting named {str(name)[:40]!r}. Remove it, or correct its spelling."


# ---- Checks: each tells of one value, whatever it is


def _text(what: str, least: int, most: int) -> Check:
    def check(value: Any, _content: Content) -> str | None:
        if value is None and least == 0:
            return None
        if not isinstance(value, str) or not least <= len(value) <= most:
            return f"Write {what}, {f'{least} to' if least else 'up to'} {most} characters."
        return None if value.isprintable() else f"Write {what} on one line, without special characters."

    return check


def _whole(least: int, most: int, unit: str, *, optional: bool = False) -> Check:
    def check(value: Any, _content: Content) -> str | None:
        if value is None and optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            return f"Write a whole number of {unit} between {least} and {most}{', or leave it empty' if optional else ''}."
        return None

    return check


def _yes_or_no(value: Any, _content: Content) -> str | None:
    return None if isinstance(value, bool) else "This is either true or false."


def _one_of(options: Callable[[Content], Collection[str]]) -> Check:
    def check(value: Any, content: Content) -> str | None:
        offered = options(content)
        return None if isinstance(value, str) and value in offered else f"Choose one of {', '.join(offered)}."

    return check


def _currencies(value: Any, content: Content) -> str | None:
    if not isinstance(value, list) or not value or len(set(map(str, value))) != len(value) or not set(map(str, value)) <= set(MINOR_UNITS):
        return f"List the currencies this biller takes, each once, out of {', '.join(MINOR_UNITS)}."
    usual = content.get("default_currency", "MWK")
    if isinstance(usual, str) and usual in MINOR_UNITS and usual not in value:
        return "The usual currency must be one of those supported. Add it here, or choose another one above."
    return None


def _topology(value: Any, _content: Content) -> str | None:
    """Whether this deployment and this biller can do it is another question: `_debit`."""
    known = [one.value for one in Topology]
    return None if value in known else f"Choose one of {', '.join(known)}. NONE: the biller is paid, and core banking is not asked."


def _debit(content: Content, core_banking: bool) -> Iterator[tuple[str, str]]:
    """What a topology with a debit needs beside it."""
    topology = content.get("topology", Topology.NONE.value)
    if topology not in (Topology.SEPARATE.value, Topology.COMPOSITE.value):
        return
    if not core_banking:
        yield (
            "topology",
            "Core banking is off on this machine, so nobody can be debited: choose NONE, or have T24_API_URL and T24_API_KEY set where it is started.",
        )
    elif topology == Topology.COMPOSITE.value and dialect_of(content) != ESB:
        yield "topology", f"COMPOSITE is one call to the bank's service bus, which debits and pays: it needs the dialect {ESB}. Choose that, or SEPARATE."
    account = content.get("credit_account")
    if not account:
        yield "credit_account", "Write the bank's account that debits for this biller go to, for example MWK1280600010001: nobody types it at the counter."
    elif isinstance(account, str) and not _has_room(account):
        yield "credit_account", f"Core banking has room for {ROOM['creditAccountId']} letters and digits here, without blanks, for example MWK1280600010001."


def _has_room(credit_account: str) -> bool:
    """Asked of what says it to core banking: an account that could not be said there fails each payment."""
    try:
        checked(Transfer("0", "0", credit_account, Money(Decimal(1))), "AC")
    except BillersError:
        return False
    return True


def _certified(value: Any, content: Content) -> str | None:
    if value is True and (adapter := _adapter(content)) and Verb.STATUS not in adapter.verbs():
        return "This biller cannot be asked what became of a payment, so there is nothing to certify. Leave it off."
    return _yes_or_no(value, content)


CHECKS: Mapping[str, Check] = {
    "biller_type": _one_of(lambda _: list(adapters())),
    "biller_name": _text("the biller's name, for example Lilongwe Water Board", 2, 60),
    "display_name": _text("a short name that tells its kinds of bills apart, for example LWB postpaid", 2, 60),
    "description": _text("what an operator should know", 0, 200),
    "dialect": _one_of(lambda content: adapter.dialects if (adapter := _adapter(content)) else ("soap",)),
    "default_currency": _one_of(lambda _: list(MINOR_UNITS)),
    "supported_currencies": _currencies,
    "timeout_ms": _whole(100, 120_000, "milliseconds"),
    "retry_attempts": _whole(0, 10, "attempts"),
    "concurrency": _whole(1, 1_000, "calls"),
    "expires_after_minutes": _whole(1, 1_440, "minutes"),
    "duplicate_window_minutes": _whole(0, 1_440, "minutes"),
    "topology": _topology,
    "credit_account": _text("an account at the bank", 0, 34),
    "credit_account_type": _text("the kind of that account", 0, 20),
    "inquiry_certified": _certified,
    "max_processing_seconds": _whole(1, 86_400, "seconds", optional=True),
}


def _base_url(value: Any, policy: LinePolicy) -> str | None:
    wish = "Write the address as https://host/path, without user name, query or fragment."
    if not isinstance(value, str) or len(value) > 500:
        return wish
    try:
        place = destination(value, "/", policy)
    except Refused as refusal:
        if refusal.failure == "host_not_allowed":
            return f"{refusal.sentence} Whoever runs this console can add it to BILLERS_ALLOWED_HOSTS; correct it here if it is misspelt."
        return wish
    if place.scheme == "http" and place.host not in _LOOPBACK:
        return "Use https: plain http is spoken to this machine only."
    try:
        address = ip_address(place.host)
    except ValueError:
        return None
    return (
        None if may_connect(address, networks(policy)) else "This is an address of an internal network, which may not be called. Use the biller's public name."
    )


def _endpoints(content: Content) -> Iterator[tuple[str, str]]:
    endpoints, adapter = content.get("endpoints"), _adapter(content)
    if not isinstance(endpoints, Mapping):
        yield "endpoints", 'Endpoints are an object of names and paths: {"payment": "/soap"}; {} where the usual ones serve.'
        return
    known = expected(adapter.code, dialect_of(content)).endpoints if adapter else ()
    for name, path in endpoints.items():
        if adapter and name not in known:
            yield f"endpoints.{name}", f"{adapter.title} has no endpoint {str(name)[:40]!r}. It has {_listed(known)}."
        elif not isinstance(path, str) or not _is_path(path):
            yield f"endpoints.{name}", "A path begins with / and stays below the base URL, for example /soap."


def _is_path(path: str) -> bool:
    try:
        destination("https://biller.example", path, _ANYWHERE)
    except Refused:
        return False
    return len(path) <= 200


def _features(content: Content) -> Iterator[tuple[str, str]]:
    features, adapter = content.get("features", {}), _adapter(content)
    if not isinstance(features, Mapping):
        yield "features", 'Features are an object of names and true or false: {"balance_check": true}.'
        return
    known = features_of(adapter) if adapter else ()
    for name, value in features.items():
        if adapter and name not in known:
            yield f"features.{name}", f"{adapter.title} has no feature {str(name)[:40]!r} to switch. It has {_listed(known)}."
        elif not isinstance(value, bool):
            yield f"features.{name}", "A feature is either true or false."


def features_of(adapter: type[Biller]) -> tuple[str, ...]:
    """What a configuration may switch off: the verbs of the class, in their order, and the balance."""
    return (*(verb.value for verb in Verb if verb in adapter.verbs()), BALANCE_CHECK)


# ---- Validation rules


def _pattern(value: Any, _content: Content) -> str | None:
    return account_patterns.complaint(value) if isinstance(value, str) else "Write the pattern of an account number, for example [0-9]{6,12}."


def _example(value: Any, content: Content) -> str | None:
    """Tried on the rules as they stand: what operators are shown must be what they may type."""
    if not isinstance(value, str) or not value.strip():
        return "Give an example: operators see it where they type, and the pattern is tried on it."
    rules = content.get(RULES, {})
    pattern, check = rules.get("account_pattern", ValidationRules().account_pattern), rules.get("account_check", "none")
    if _pattern(pattern, content) or _account_check(check, content):
        return None  # Told where it is wrong.
    try:
        tried = Snapshot(
            biller_type="-",
            biller_name="-",
            display_name="-",
            base_url="-",
            endpoints={},
            validation_rules=ValidationRules(account_pattern=pattern, account_check=check),
        )
        tried.check_account(value)
    except BadInput:
        return f"This example does not fit the pattern{' and its check' if check != 'none' else ''}. Correct one of the two."
    return None


def _account_check(value: Any, _content: Content) -> str | None:
    offered = ("none", "luhn", "phone")
    return None if value in offered else f"Choose one of {', '.join(offered)}."


def _account_types(value: Any, _content: Content) -> str | None:
    if not isinstance(value, list | tuple) or len(value) > MOST_ACCOUNT_TYPES:
        return f"Kinds of accounts are a list of up to {MOST_ACCOUNT_TYPES}; [] where there is one kind only."
    codes = []
    for kind in value:
        if not isinstance(kind, Mapping) or not {"code", "label"} <= set(kind) <= {"code", "label", "is_meter"}:
            return 'Each kind has a code, a label and perhaps is_meter: {"code": "M", "label": "Meter", "is_meter": true}.'
        code, label, is_meter = kind["code"], kind["label"], kind.get("is_meter", False)
        if not isinstance(code, str) or not _TYPE_CODE.fullmatch(code):
            return "A code has 1 to 20 capital letters, digits or underscores, as the biller knows it: MEMBER."
        if not isinstance(label, str) or not label.strip() or len(label) > 40:
            return f"Write what operators call the kind {code}, up to 40 characters."
        if not isinstance(is_meter, bool):
            return f"Whether {code} is a meter is either true or false."
        codes.append(code)
    twice = next((code for code in codes if codes.count(code) > 1), None)
    return f"The code {twice} stands there twice. Each kind has a code of its own." if twice else None


def _amount(value: Any, content: Content) -> Decimal | None:
    """The amount as the biller's currency has it; None for what is none."""
    currency = content.get("default_currency", "MWK")
    try:
        known = currency if isinstance(currency, str) and currency in MINOR_UNITS else "MWK"
        return Money.from_text(f"{value}", known).amount if isinstance(value, str | int | Decimal) else None
    except BadInput:
        return None


def _amount_min(value: Any, content: Content) -> str | None:
    amount = _amount(value, content)
    return None if amount is not None and amount > 0 else "Write the least amount in figures, more than zero, for example 100.00."


def _amount_max(value: Any, content: Content) -> str | None:
    amount, least = _amount(value, content), _amount(_rule(content, "amount_min"), content)
    if amount is None or not 0 < amount <= LARGEST:
        return "Write the largest amount in figures, for example 1000000.00."
    return "The largest amount is below the least one. Correct one of the two." if least is not None and amount < least else None


def _second_person(value: Any, content: Content) -> str | None:
    if value is None:
        return None
    amount = _amount(value, content)
    return None if amount is not None and amount > 0 else "Write the amount in figures, for example 500000.00, or leave it empty: never."


def _removed_codes(value: Any, content: Content) -> str | None:
    if not isinstance(value, list | tuple) or not all(isinstance(code, str) for code in value):
        return 'Codes are a list of texts: ["PENDING"]; [] where all are believed.'
    strange = set(value) - set(codes_of(content))
    return f"This biller lists no code {min(strange)[:40]!r}: it reads as unknown already. Remove it." if strange and _adapter(content) else None


def _rule(content: Content, name: str) -> Any:
    rules = content.get(RULES, {})
    return rules.get(name, ValidationRules.model_fields[name].get_default()) if isinstance(rules, Mapping) else None


RULE_CHECKS: Mapping[str, Check] = {
    "account_label": _text("what the number is called, for example Meter number", 2, 40),
    "account_pattern": _pattern,
    "account_example": _example,
    "account_help": _text("what the number looks like, for example 6 to 12 digits", 0, 120),
    "account_check": _account_check,
    "account_is_meter": _yes_or_no,
    "account_types": _account_types,
    "amount_min": _amount_min,
    "amount_max": _amount_max,
    "second_person_above": _second_person,
    "removed_codes": _removed_codes,
}


# ---- What the biller's class expects


@dataclass(frozen=True, slots=True)
class Expected:
    """Which endpoints and which credentials a biller's class asks its configuration for, in the order it asks.

    Each of the `alternatives` is a set of credentials that serves by itself: user name and password, or a token, or a key.
    """

    endpoints: tuple[str, ...]
    alternatives: tuple[tuple[str, ...], ...]

    @property
    def credentials(self) -> tuple[str, ...]:
        return tuple(name for alternative in self.alternatives for name in alternative)


class _Listener(Mapping[str, str]):
    """A mapping that has everything it is asked for, less what it is told to lack, and remembers the questions."""

    def __init__(self, value: str, lacking: Collection[str] = ()) -> None:
        self.asked: list[str] = []
        self._value, self._lacking = value, lacking

    def __getitem__(self, name: str) -> str:
        self.asked.append(name)
        if name in self._lacking:
            raise KeyError(name)
        return self._value

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 1


@lru_cache(maxsize=64)
def expected(biller_type: str, dialect: str) -> Expected:
    """Found by asking the class for each of its requests: a biller states nothing twice, and a ninth one is known like the eight."""
    adapter = adapter_for(biller_type)
    endpoints: dict[str, None] = {}
    alternatives: list[tuple[str, ...]] = []
    while True:
        # What was asked for is missing next time, so that a class that takes a password or a key is asked for both.
        known = frozenset(name for alternative in alternatives for name in alternative)
        paths, secrets = _Listener("/x"), _Listener("x", known)
        _say_everything(adapter(Terms(base_url="https://biller.example", endpoints=paths, credentials=secrets, dialect=dialect)))
        endpoints.update(dict.fromkeys(paths.asked))
        fresh = tuple(name for name in dict.fromkeys(secrets.asked) if name not in known)
        if not fresh:
            return Expected(tuple(endpoints), tuple(alternatives))
        alternatives.append(fresh)


def merged(content: Content, stored: Mapping[str, str], entered: Mapping[str, str]) -> dict[str, str]:
    """The stored credentials with those entered over them. A token that is entered ends a stored password: it would be asked for first."""
    adapter = _adapter(content)
    if not entered or adapter is None:
        return dict(stored)
    touched = [alternative for alternative in expected(adapter.code, dialect_of(content)).alternatives if set(alternative) & set(entered)]
    return {name: value for name, value in stored.items() if any(name in alternative for alternative in touched)} | dict(entered)


def _say_everything(biller: Biller) -> None:
    """Makes each request the biller knows, and throws it away."""
    money = Money(Decimal(1))
    asked = Query("1", "M", money, "1")
    paid = Payment("0" * 16, "1", money, "M", "-", "1", "1", requested_at=datetime(2025, 1, 1, tzinfo=UTC))
    for verb in Verb:
        if hasattr(biller, verb.value):
            try:
                getattr(biller, verb.value)(asked if verb in QUESTIONS else paid)
            except (BillersError, ValueError, LookupError, TypeError):
                continue


# The verbs that only ask. A connection test sends one of these, the most harmless first: an invoice fetched may be an invoice made.
QUESTIONS = (Verb.LOOKUP, Verb.BUNDLES, Verb.GET_INVOICE)


def codes_of(content: Content) -> tuple[str, ...]:
    """The result codes that the biller's class lists in this dialect."""
    adapter = _adapter(content)
    if adapter is None:
        return ()
    return tuple(adapter(Terms(base_url="", endpoints={}, dialect=dialect_of(content))).listed)


def credential_complaints(content: Content, credentials: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with credentials that were entered. No sentence repeats any of them."""
    adapter = _adapter(content)
    if adapter is None:
        return {}
    known = expected(adapter.code, dialect_of(content)).credentials
    found = {}
    for name, value in credentials.items():
        if name not in known:
            found[f"credentials.{name}"] = f"{adapter.title} is not asked for {str(name)[:40]!r} in this dialect. It takes {_listed(known)}."
        elif not value or len(value) > LONGEST_CREDENTIAL or not value.isprintable():
            found[f"credentials.{name}"] = "This credential is empty, too long or has a line break in it. Enter it again."
    return found


def dialect_of(content: Content) -> str:
    """The dialect that is configured; where that is none of the biller's, its usual one, so that the other fields can still be told of."""
    adapter, said = _adapter(content), content.get("dialect")
    offered = adapter.dialects if adapter else ("soap",)
    return said if isinstance(said, str) and said in offered else offered[0]


def origin_of(base_url: str) -> str:
    """Scheme, host and port: what credentials were saved for."""
    scheme, _, rest = base_url.strip().lower().partition("://")
    host = rest.partition("/")[0]
    usual = {"https": ":443", "http": ":80"}.get(scheme, "")
    return f"{scheme}://{host.removesuffix(usual) if usual else host}"


def _adapter(content: Content) -> type[Biller] | None:
    code = content.get("biller_type")
    return adapters().get(code) if isinstance(code, str) else None


def _listed(names: Collection[str]) -> str:
    return ", ".join(names) or "none"


# ---- JSON, both ways


def as_json(content: Content) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, default=str)


def read_json(text: str) -> dict[str, Any]:
    """A configuration as somebody wrote it. Raises `BadInput`, saying where: a key that stands twice would silently win over its first one."""
    if len(text) > LONGEST_JSON:
        raise BadInput(f"This is longer than {LONGEST_JSON:,} characters: no configuration is.")
    try:
        found = json.loads(text, object_pairs_hook=_unrepeated, parse_float=Decimal, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise BadInput(f"This is not JSON yet: line {error.lineno}, column {error.colno}: {error.msg.lower()}.") from None
    except (RecursionError, ValueError):
        raise BadInput("This JSON is nested too deeply, or has a number that is too long.") from None
    if not isinstance(found, dict):
        raise BadInput("A configuration is one JSON object: it begins with { and ends with }.")
    return found


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"The key {twice[:40]!r} stands twice in one object. Keep one of them.")
    return dict(pairs)


def _no_number(name: str) -> NoReturn:
    raise BadInput(f"{name} is no number here. Write one in figures.")


# ---- What changed

NOTHING: Mapping[str, Any] = MappingProxyType({})


def differences(before: Content, after: Content) -> dict[str, dict[str, Any]]:
    """Path of each field that differs → its value before and after; None where there was or is none."""
    was, becomes = dict(_flat(before)), dict(_flat(after))
    paths = [*becomes, *(path for path in was if path not in becomes)]
    return {path: {"before": was.get(path), "after": becomes.get(path)} for path in paths if was.get(path) != becomes.get(path)}


def _flat(content: Content, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
