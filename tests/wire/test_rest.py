"""JSON as services write it, and as an enemy does."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from core.money import Money
from core.wire.letters import LARGEST, Unreadable
from core.wire.rest import LONGEST_NUMBER, MOST_VALUES, money, object_of, objects, path, text

GOOD = '{"name": "Łucja é", "balance": 5475.50}'


@pytest.mark.parametrize(
    ("document", "content_type"),
    [
        (GOOD.encode(), ""),
        (GOOD.encode(), "application/json"),
        (GOOD.encode(), 'application/json; charset="UTF-8"'),
        (GOOD.encode("utf-8-sig"), "application/json; charset=iso-8859-1"),  # a BOM outranks the header
        (GOOD.encode("utf-16"), "application/json; charset=utf-8"),
        (GOOD.encode("utf-16-le"), "application/json; charset=utf-16le"),
        (f"\r\n {GOOD}\n".encode(), ""),
        (b'{"name": "\\u0141ucja \\u00e9"}', "application/json; charset=ascii"),
    ],
)
def test_an_object_is_read_in_the_encoding_it_says(document: bytes, content_type: str) -> None:
    assert text(object_of(document, content_type), "name") == "Łucja é"


HOSTILE: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"", "", "empty"),
    "blanks": (b" \r\n", "", "empty"),
    "a BOM alone": (b"\xef\xbb\xbf", "", "not well-formed"),
    "an HTML page": (b"<html><body><h1>Bad gateway</h1></body></html>", "text/html", "not well-formed"),
    "XML": (b"<post-payment-response><status>success</status></post-payment-response>", "text/xml", "not well-formed"),
    "truncated": (b'{"status": "active', "", "not well-formed"),
    "two objects": (b'{"status": "active"}{"status": "blocked"}', "", "not well-formed"),
    "something behind": (b'{"status": "active"} OK', "", "not well-formed"),
    "a trailing comma": (b'{"status": "active",}', "", "not well-formed"),
    "single quotes": (b"{'status': 'active'}", "", "not well-formed"),
    "a comment": (b'{"status": "active" /* or not */}', "", "not well-formed"),
    "a leading zero": (b'{"balance": 0100}', "", "not well-formed"),
    "a bare control character": (b'{"status": "act\nive"}', "", "not well-formed"),
    "a list": (b'[{"status": "active"}]', "", "no JSON object"),
    "a word": (b'"active"', "", "no JSON object"),
    "null": (b"null", "", "no JSON object"),
    "a key twice": (b'{"status": "active", "status": "blocked"}', "", "says a key twice"),
    "a key twice, once escaped": (b'{"status": "active", "\\u0073tatus": "blocked"}', "", "says a key twice"),
    "a key twice, further down": (b'{"a": [{"b": 1, "b": 1}]}', "", "says a key twice"),
    "NaN": (b'{"balance": NaN}', "", "has NaN for a number"),
    "Infinity": (b'{"balance": -Infinity}', "", "has -Infinity for a number"),
    "a number without end": (b'{"balance": ' + b"9" * (LONGEST_NUMBER + 1) + b"}", "", "number longer than is read"),
    "a number of a million digits": (b'{"balance": ' + b"9" * 1_000_000 + b"}", "", "number longer than is read"),
    "NUL": (b'{"status": "act\x00ive"}', "", "NUL"),
    "NUL, escaped": (b'{"status": "act\\u0000ive"}', "", "character that is none"),
    "NUL in a key": (b'{"sta\\u0000tus": "active"}', "", "character that is none"),
    "half a surrogate pair": (b'{"status": "\\ud83d"}', "", "character that is none"),
    "half a pair, further down": (b'{"a": [[{"b": "\\udc00"}]]}', "", "character that is none"),
    "UTF-16 without a BOM": ('{"status": "active"}'.encode("utf-16-le"), "", "NUL"),
    "UTF-7": (GOOD.encode("utf-7"), "application/json; charset=utf-7", "'utf-7', which is not read"),
    "no such encoding": (GOOD.encode(), "application/json; charset=no-such", "'no-such', which is not read"),
    "another encoding than it says": ('{"name": "é"}'.encode("latin-1"), "application/json; charset=utf-8", "not written in utf-8"),
    "several parts": (b'--part\r\n\r\n{"status": "active"}', "multipart/mixed", "several parts"),
    "too long": (b'{"a": "' + b"x" * LARGEST + b'"}', "", "longer"),
    "too deep": (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "", "deeper"),
    "far too deep": (b'{"a": ' * 100_000, "", "deeper|not well-formed"),
    "deep enough for the stack": (b"[" * 400_000, "", "deeper|not well-formed"),
    "too many values": (b'{"a": [' + b"1," * MOST_VALUES + b"1]}", "", "more values"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(10)
def test_what_is_not_plainly_one_object_is_none(name: str) -> None:
    document, content_type, reason = HOSTILE[name]
    with pytest.raises(Unreadable, match=reason):
        object_of(document, content_type)


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:0123456789.eE+-\\untrlfas ', max_size=200).map(str.encode))
def test_whatever_comes_is_an_object_or_unreadable(document: bytes) -> None:
    with suppress(Unreadable):
        assert isinstance(object_of(document), dict)


def test_what_lies_just_within_the_bounds_is_read() -> None:
    assert object_of(b'{"a": ' + b"[" * 29 + b"]" * 29 + b"}")
    assert object_of(b'{"a": [' + b"1," * (MOST_VALUES - 10) + b"1]}")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ('{"a": " x\\n"}', "x"),
        ('{"a": ""}', None),
        ('{"a": "  ", "b": "second"}', "second"),
        ('{"a": null, "b": "second"}', "second"),
        ('{"b": "second"}', "second"),
        ('{"a": "first", "b": "second"}', "first"),
        ('{"a": 100001}', "100001"),
        ('{"a": 5475.50}', "5475.50"),
        ("{}", None),
    ],
)
def test_a_text_is_that_of_the_first_key_that_says_anything(document: str, said: str | None) -> None:
    assert text(object_of(document.encode()), "a", "b") == said


@pytest.mark.parametrize("value", ["true", "false", "[]", "{}", '["x"]', '{"code": "x"}'])
def test_what_is_no_text_is_unreadable(value: str) -> None:
    with pytest.raises(Unreadable, match="a holds more than text"):
        text(object_of(f'{{"a": {value}, "b": "second"}}'.encode()), "a", "b")


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        ('"5475.50"', "5475.50"),
        ("5475.50", "5475.50"),
        ("5475.5", "5475.50"),
        ("5475", "5475.00"),
        ("-20.10", "-20.10"),
        ("1.25E7", "12500000.00"),
        ("125e-1", "12.50"),
        ("-0.0", "0.00"),
        # A float would have made 9007199254740993.12 of it.
        ("9007199254740993.11", "9007199254740993.11"),
        ("0.1000", "0.10"),
    ],
)
def test_an_amount_is_exact_be_it_text_or_number(value: str, amount: str) -> None:
    assert money(object_of(f'{{"balance": {value}}}'.encode()), "MWK", "balance", "amount") == Money(Decimal(amount))


@pytest.mark.parametrize("value", ["5475.505", '"5,475.50"', '"MWK 1"', '"1e3"', "1e999999999", "1e99999999999999999999", "1e-999999999", "true", "[]", '"٥"'])
def test_what_is_no_amount_is_refused(value: str) -> None:
    with pytest.raises((Unreadable, BadInput)):
        money(object_of(f'{{"balance": {value}}}'.encode()), "MWK", "balance", "amount")


def test_an_amount_that_is_not_there_is_none() -> None:
    assert money(object_of(b'{"balance": null, "amount": ""}'), "MWK", "balance", "amount") is None


def test_a_list_holds_objects_or_is_none() -> None:
    assert objects(object_of(b'{"bundles": [{"id": "D1"}]}'), "bundles") == [{"id": "D1"}]
    for other in ("{}", '{"bundles": {}}', '{"bundles": [1]}', '{"bundles": [{}, null]}', '{"bundles": "D1"}'):
        with pytest.raises(Unreadable, match="bundles is no list of objects"):
            objects(object_of(other.encode()), "bundles")


@pytest.mark.parametrize(
    ("template", "facts", "made"),
    [
        ("/v1/accounts/{account}", {"account": "100001"}, "/v1/accounts/100001"),
        ("/v1/accounts/{account}", {"account": "12/4 ü?&#"}, "/v1/accounts/12%2F4%20%C3%BC%3F%26%23"),
        ("/v1/accounts/{account}", {"account": "{reference}", "reference": "R"}, "/v1/accounts/%7Breference%7D"),
        ("/v1/transactions/{reference}", {"reference": "7K3M"}, "/v1/transactions/7K3M"),
        ("/a", {"query": [("type", None)]}, "/a"),
        ("/a", {"query": [("type", "M&x=1 +"), ("apikey", "k/e=y")]}, "/a?type=M%26x%3D1%20%2B&apikey=k%2Fe%3Dy"),
        ("/a?version=2", {"query": [("apikey", "k")]}, "/a?version=2&apikey=k"),
        ("/a?number={account}", {"account": "1&2"}, "/a?number=1%262"),
    ],
)
def test_a_path_says_what_it_is_given_and_no_more(template: str, facts: dict[str, object], made: str) -> None:
    assert path(template, **facts) == made  # type: ignore[arg-type]
