"""Each field, a value that cannot be used, and what is said about it."""

import copy
from typing import Any

import pytest

from core.adapters import adapters
from core.errors import BadInput
from core.models.snapshot import Snapshot, ValidationRules
from core.services import configuration_rules as rules
from core.services.account_patterns import complaint
from core.services.configuration_rules import expected, origin_of, read_json
from core.wire.destination import LinePolicy

POLICY = LinePolicy(allowed_hosts=("api.lwb.example", "10.1.2.3", "127.0.0.1"))

SUSPENSE = "MWK1280600010001"


def complaints(content: dict[str, Any], policy: LinePolicy, core_banking: bool = False) -> dict[str, str]:
    """Where core banking is off, unless the test says otherwise."""
    return rules.complaints(content, policy, core_banking=core_banking)


def changed(content: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(content)
    place, (*way, last) = made, path.split(".")
    for name in way:
        place = place.setdefault(name, {})
    place[last] = value
    return made


def test_a_whole_configuration_has_nothing_to_complain_of(content: dict[str, Any]) -> None:
    assert complaints(content, POLICY) == {}


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("biller_type", "NOBODY", "Choose one of AIRTEL_VALIDATION"),
        ("biller_name", "L", "Write the biller's name, for example Lilongwe Water Board, 2 to 60 characters."),
        ("biller_name", "Lilongwe\nWater", "on one line"),
        ("display_name", "x" * 61, "Write a short name"),
        ("description", "x" * 201, "Write what an operator should know, up to 200 characters."),
        ("base_url", "", "Write the address as https://host/path"),
        ("base_url", "ftp://api.lwb.example", "Write the address as https://host/path"),
        ("base_url", "https://user:secret@api.lwb.example/", "without user name"),
        ("base_url", "https://api.lwb.example/?a=1", "without user name, query or fragment"),
        ("base_url", "https://api.evil.example/v2", "'api.evil.example' is not on the list of allowed hosts"),
        ("base_url", "http://api.lwb.example/v2", "Use https: plain http is spoken to this machine only."),
        ("base_url", "https://10.1.2.3/v2", "This is an address of an internal network"),
        ("base_url", 17, "Write the address as https://host/path"),
        ("dialect", "morse", "Choose one of soap, esb."),
        ("endpoints", [], "Endpoints are an object"),
        ("endpoints.telepathy", "/x", "has no endpoint 'telepathy'. It has account_details, payment, status, reverse."),
        ("endpoints.payment", "soap", "A path begins with /"),
        ("endpoints.payment", "/../other", "A path begins with /"),
        ("endpoints.payment", 3, "A path begins with /"),
        ("default_currency", "XYZ", "Choose one of MWK"),
        ("supported_currencies", [], "List the currencies this biller takes"),
        ("supported_currencies", ["USD"], "The usual currency must be one of those supported."),
        ("supported_currencies", ["MWK", "MWK"], "each once"),
        ("timeout_ms", 99, "Write a whole number of milliseconds between 100 and 120000."),
        ("timeout_ms", "soon", "Write a whole number of milliseconds"),
        ("timeout_ms", 2.5, "Write a whole number of milliseconds"),
        ("retry_attempts", 11, "Write a whole number of attempts between 0 and 10."),
        ("retry_attempts", -1, "between 0 and 10"),
        ("retry_attempts", True, "between 0 and 10"),
        ("concurrency", 0, "between 1 and 1000"),
        ("expires_after_minutes", 0, "between 1 and 1440"),
        ("duplicate_window_minutes", 1441, "between 0 and 1440"),
        ("max_processing_seconds", 0, "or leave it empty"),
        ("topology", "SIDEWAYS", "Choose one of NONE, SEPARATE, COMPOSITE."),
        ("credit_account", "x" * 35, "Write an account at the bank, up to 34 characters."),
        ("credit_account_type", "x" * 21, "up to 20 characters"),
        ("inquiry_certified", "yes", "true or false"),
        ("features.teleport", True, "has no feature 'teleport' to switch. It has lookup, pay, status, reverse, balance_check."),
        ("features.bundles", True, "has no feature 'bundles' to switch"),
        ("features.pay", "no", "A feature is either true or false."),
        ("features", [], "Features are an object"),
        ("colour", "blue", "There is no setting named 'colour'. Remove it, or correct its spelling."),
        ("validation_rules", [], "Validation rules are an object"),
        ("validation_rules.acount_pattern", "x", "There is no setting named 'acount_pattern'."),
        ("validation_rules.account_label", "", "Write what the number is called"),
        ("validation_rules.account_pattern", "", "Write the pattern of an account number"),
        ("validation_rules.account_pattern", "[0-9", "This is no pattern that can be read"),
        ("validation_rules.account_pattern", "([0-9]+)+", "A repeat must not vary inside another repeat"),
        ("validation_rules.account_pattern", 8, "Write the pattern of an account number"),
        ("validation_rules.account_example", "", "Give an example"),
        ("validation_rules.account_example", "12", "This example does not fit the pattern."),
        ("validation_rules.account_help", "x" * 121, "up to 120 characters"),
        ("validation_rules.account_check", "guess", "Choose one of none, luhn, phone."),
        ("validation_rules.account_is_meter", 1, "true or false"),
        ("validation_rules.account_types", "M", "Kinds of accounts are a list"),
        ("validation_rules.account_types", [{"code": "m", "label": "Meter"}], "A code has 1 to 20 capital letters"),
        ("validation_rules.account_types", [{"code": "abc X", "label": "Meter"}], "A code has 1 to 20 capital letters"),
        ("validation_rules.account_types", [{"code": "M", "label": " "}], "Write what operators call the kind M"),
        ("validation_rules.account_types", [{"code": "M"}], "Each kind has a code, a label"),
        ("validation_rules.account_types", [{"code": "M", "label": "Meter", "is_meter": "y"}], "Whether M is a meter"),
        ("validation_rules.account_types", [{"code": "M", "label": "Meter"}, {"code": "M", "label": "Other"}], "The code M stands there twice."),
        ("validation_rules.amount_min", "0", "Write the least amount in figures, more than zero"),
        ("validation_rules.amount_min", "12.345", "Write the least amount in figures"),
        ("validation_rules.amount_min", "1,000", "Write the least amount in figures"),
        ("validation_rules.amount_max", "99.99", "The largest amount is below the least one."),
        ("validation_rules.amount_max", "lots", "Write the largest amount in figures"),
        ("validation_rules.second_person_above", "-5", "Write the amount in figures"),
        ("validation_rules.removed_codes", ["MAYBE"], "This biller lists no code 'MAYBE'"),
        ("validation_rules.removed_codes", "PENDING", "Codes are a list of texts"),
    ],
)
def test_a_value_that_cannot_be_used_is_told_at_its_field(content: dict[str, Any], path: str, value: Any, words: str) -> None:
    found = complaints(changed(content, path, value), POLICY)
    assert words in found.get(path, ""), found
    assert len(found) == 1 or path in ("biller_type", "validation_rules.account_pattern"), found


@pytest.mark.parametrize("name", sorted(set(Snapshot.model_fields) | {f"validation_rules.{rule}" for rule in ValidationRules.model_fields}))
def test_no_field_takes_just_anything(content: dict[str, Any], name: str) -> None:
    """Whatever is added to a configuration has a check of its own, or the types' one."""
    assert complaints(changed(content, name, {"nobody": ["expects", {"this": 1}]}), POLICY)


def test_an_example_is_tried_on_its_check_too(content: dict[str, Any]) -> None:
    meter = changed(changed(content, "validation_rules.account_pattern", "[0-9]{11}"), "validation_rules.account_check", "luhn")
    assert (
        "does not fit the pattern and its check"
        in complaints(changed(meter, "validation_rules.account_example", "37000000009"), POLICY)["validation_rules.account_example"]
    )
    assert complaints(changed(meter, "validation_rules.account_example", "79927398713"), POLICY) == {}


def test_what_cannot_be_asked_cannot_be_certified(content: dict[str, Any]) -> None:
    tnm = {**content, "biller_type": "TNM_BUNDLES", "dialect": "erecharge", "endpoints": {}, "inquiry_certified": True}
    assert "there is nothing to certify" in complaints(tnm, POLICY)["inquiry_certified"]


def test_every_complaint_is_told_at_once(content: dict[str, Any]) -> None:
    spoilt = changed(changed(changed(content, "timeout_ms", 1), "base_url", "x"), "validation_rules.amount_min", "0")
    assert set(complaints(spoilt, POLICY)) == {"timeout_ms", "base_url", "validation_rules.amount_min"}
    with pytest.raises(rules.Invalid, match="3 fields need correcting"):
        rules.snapshot_of(spoilt, POLICY, core_banking=False)


# ---- The debit at the bank


@pytest.mark.parametrize(
    ("topology", "dialect", "credit_account", "core_banking", "told"),
    [
        ("SEPARATE", "soap", SUSPENSE, True, {}),
        ("SEPARATE", "esb", SUSPENSE, True, {}),
        ("COMPOSITE", "esb", SUSPENSE, True, {}),
        ("SEPARATE", "soap", SUSPENSE, False, {"topology": "Core banking is off on this machine, so nobody can be debited"}),
        ("COMPOSITE", "esb", SUSPENSE, False, {"topology": "Core banking is off on this machine, so nobody can be debited"}),
        ("COMPOSITE", "soap", SUSPENSE, True, {"topology": "it needs the dialect esb. Choose that, or SEPARATE."}),
        ("SEPARATE", "soap", None, True, {"credit_account": "Write the bank's account that debits for this biller go to"}),
        ("SEPARATE", "soap", "  ", True, {"credit_account": "Write the bank's account that debits for this biller go to"}),
        ("SEPARATE", "soap", f"{SUSPENSE}9", True, {"credit_account": "Core banking has room for 16 letters and digits here"}),
        ("SEPARATE", "soap", "MWK 1280600/1", True, {"credit_account": "without blanks"}),
        ("NONE", "soap", f"{SUSPENSE}9 of nobody", False, {}),
    ],
)
def test_a_topology_with_a_debit_needs_what_it_takes_to_debit(
    content: dict[str, Any], topology: str, dialect: str, credit_account: str | None, core_banking: bool, told: dict[str, str]
) -> None:
    found = complaints({**content, "topology": topology, "dialect": dialect, "credit_account": credit_account}, POLICY, core_banking)
    assert set(found) == set(told)
    assert all(words in found[path] for path, words in told.items()), found


# ---- Patterns


@pytest.mark.parametrize(
    "pattern", ["[0-9]{6,12}", "[0-9A-Za-z/-]{1,40}", "0(88|99)[0-9]{7}", "[0-9]{11}([0-9]{2})?", "([0-9]{3}-)*[0-9]+", "[A-Z]{2,4}[0-9]{1,20}(/[0-9]+)?"]
)
def test_patterns_that_account_numbers_have_are_taken(pattern: str) -> None:
    assert complaint(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [
        *("(a+)+b", "(a*)*b", "([0-9]|[0-9]{2})*x", "(?:a?){40}", "(?:(?:(?:){40}){40}){40}"),
        *("[0-9]*" * 5 + "x", "a?" * 40 + "a" * 40, "(aa|a)" * 30, "[0-9]{1,41}"),
        *("(?i)abc", "(?i:a)b", "(?=a)b", "(a)\\1", "(?>a+)b", "a++b", "[", "a{2,1}", "x" * 201),
    ],
)
def test_patterns_that_could_take_for_ever_are_refused_before_they_are_tried(pattern: str) -> None:
    assert complaint(pattern)


# ---- JSON


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "This is not JSON yet: line 1, column 1"),
        ('{"a": 1,\n "b": }', "line 2, column 7"),
        ('{"a": 1, "a": 2}', "The key 'a' stands twice"),
        ('{"endpoints": {"payment": "/a", "payment": "/b"}}', "The key 'payment' stands twice"),
        ("[]", "one JSON object"),
        ('{"a": NaN}', "NaN is no number here"),
        ('{"a": -Infinity}', "-Infinity is no number here"),
        ("[" * 40_000, "nested too deeply"),
        ('{"a": "' + "x" * 50_001 + '"}', "longer than 50,000"),
    ],
)
def test_json_that_is_none_is_told_where(text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_json(text)


def test_amounts_in_json_never_become_floats(content: dict[str, Any]) -> None:
    text = rules.as_json(content).replace('"100.00"', "100.10")
    read = read_json(text)
    assert str(rules.snapshot_of(read, POLICY, core_banking=False).validation_rules.amount_min) == "100.10"


# ---- What a class expects, found by asking it


def test_what_a_biller_asks_its_configuration_for_is_found_by_asking_it() -> None:
    assert expected("LWB_POSTPAID", "soap").endpoints == ("account_details", "payment", "status", "reverse")
    assert expected("LWB_POSTPAID", "soap").credentials == ("username", "password")
    assert set(expected("TNM_BUNDLES", "erecharge").credentials) >= {"username", "password", "pin", "sender_msisdn"}


def test_a_token_that_is_entered_ends_a_stored_password_and_a_password_ends_none(content: dict[str, Any]) -> None:
    esb, stored = {**content, "dialect": "esb"}, {"username": "a", "password": "b"}
    assert rules.merged(esb, stored, {"token": "t"}) == {"token": "t"}
    assert rules.merged(esb, stored, {"password": "c"}) == {"username": "a", "password": "c"}
    assert rules.merged(esb, stored, {}) == stored


@pytest.mark.parametrize("code", list(adapters()))
def test_every_biller_names_an_endpoint_and_a_credential_in_each_of_its_dialects(code: str) -> None:
    for dialect in adapters()[code].dialects:
        found = expected(code, dialect)
        assert found.endpoints
        assert found.credentials


def test_a_credential_nobody_asks_for_is_refused_and_not_repeated(content: dict[str, Any]) -> None:
    found = rules.credential_complaints(content, {"pin": "0000", "password": "line\nbreak-secret"})
    assert set(found) == {"credentials.pin", "credentials.password"}
    assert "secret" not in " ".join(found.values())
    assert "0000" not in " ".join(found.values())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/v1", "https://a.example/v2", True),
        ("https://a.example", "https://A.example:443/x", True),
        ("https://a.example", "https://b.example", False),
        ("https://a.example", "https://a.example:8443", False),
        ("https://a.example", "http://a.example", False),
    ],
)
def test_credentials_belong_to_scheme_host_and_port(one: str, other: str, same: bool) -> None:
    assert (origin_of(one) == origin_of(other)) is same
