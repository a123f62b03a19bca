"""A transcript is read by many and kept for years: whatever opens a door must not be in it."""

import base64
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.wire.contract import Terms
from core.wire.transcript import LONGEST_BODY, Masker, Transcript

SECRET = 'p<s&"/+ wörd=1'
TERMS = Terms("https://biller.test", {}, {"username": "console", "password": SECRET, "pin": "99"})


def kept(body: bytes | str, content_type: str = "text/xml", masked: frozenset[str] = frozenset({"Msisdn"}), terms: Terms = TERMS) -> str:
    data = body.encode() if isinstance(body, str) else body
    return Masker(terms, masked).message("HTTP 200", [("Content-Type", content_type)], data)


# Each hides the word "hidden"; `seen` must stay.
SHAPES = (
    ("<Pin>hidden</Pin><A>seen</A>"),
    ("<pin>hidden</pin><A>seen</A>"),
    ("<ns1:Token xmlns:ns1='u' a=\"b\">hidden</ns1:Token><A>seen</A>"),
    ("<Token >hidden</Token ><A>seen</A>"),
    ("<Msisdn>hidden</Msisdn><A>seen</A>"),
    ("<WSPassword>hidden</WSPassword><A>seen</A>"),
    ("<Token><![CDATA[hid<den]]>hidden</Token><A>seen</A>"),
    ("<Token><Part>hidden</Part></Token><A>seen</A>"),
    ("<Token>\n  hidden\n</Token><A>seen</A>"),
    ("<Token/><A>seen</A><Token>hidden</Token>"),
    ("<A>seen</A><Token>hidden"),
    ("<A>seen</A><x>&lt;Pin&gt;hidden&lt;/Pin&gt;</x>"),
    ('<User name="seen" password="hidden"/>'),
    ("<User name='seen' password='hidden'/>"),
    ('{"a": "seen", "token": "hidden"}'),
    ('{"Token" : "hid\\"hidden", "a": "seen"}'),
    ('{"pin": hidden, "a": "seen"}'),
    ('{"a": "seen", "password": ["hidden"]}'),
    ('{"a": "seen", "secret": {"b": "hidden"}}'),
    ('{"a": "seen", "client_secret": "hidden'),
    ("a=seen&password=hidden&b=1"),
    ("password=hidden&a=seen"),
    ("https://biller.test/x?apikey=hidden&a=seen"),
    ("see https://console:hidden@biller.test/seen"),
)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_named_field_is_masked_in_whatever_shape_it_comes(shape: str) -> None:
    text = kept(shape)
    assert "hidden" not in text
    assert "***" in text
    assert "seen" in text


def test_what_is_not_named_stays_as_it_is() -> None:
    body = "<Envelope><Pint>1</Pint><Tokens>2</Tokens><Amount>5475.50</Amount></Envelope>"
    assert kept(body).endswith(body)


@pytest.mark.parametrize("name", ["Authorization", "authorization", "X-API-Key", "apikey", "Cookie", "Set-Cookie", "Proxy-Authorization"])
def test_a_header_that_opens_a_door_is_masked(name: str) -> None:
    assert Masker(TERMS).message("GET /", [(name, "hidden"), ("Accept", "seen")], b"") == f"GET /\n{name}: ***\nAccept: seen"


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        "p&lt;s&amp;&quot;/+ wörd=1",
        'p&lt;s&amp;"/+ wörd=1',
        'p<s&\\"/+ w\\u00f6rd=1',
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"console:{SECRET}".encode()).decode(),
        base64.urlsafe_b64encode(f"console:{SECRET}".encode()).decode(),
    ],
)
def test_a_credential_is_masked_wherever_and_however_it_appears(spelling: str) -> None:
    masker = Masker(TERMS)
    for text in (kept(f"<said>{spelling}</said>"), masker.text(f"GET /{spelling}"), masker.message("GET /", [("X-Any", spelling)], b"")):
        assert spelling not in text
        assert "***" in text


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=4), st.text(max_size=20), st.text(max_size=20))
def test_no_credential_of_four_letters_survives(secret: str, before: str, after: str) -> None:
    masker = Masker(Terms("https://biller.test", {}, {"password": secret}))
    text = masker.text(before + secret + after)
    assert secret not in text or secret in "***"


def test_who_we_are_is_no_secret() -> None:
    assert "console" in kept("<A>console</A>")
    us = Terms("https://biller.test", {}, {"sender_msisdn": "0888800900", "sender_user_id": "5761974728"})
    assert "<SenderMsisdn>0888800900</SenderMsisdn><SenderUserId>5761974728</SenderUserId>" in kept(
        "<SenderMsisdn>0888800900</SenderMsisdn><SenderUserId>5761974728</SenderUserId>", terms=us
    )


@pytest.mark.parametrize(
    "body",
    [
        "<Token>04912345678901234563</Token><Message>Thank you, 04912345678901234563 is yours</Message>",
        "<Token>0491 2345 6789 0123 4563</Token><Message>04912345678901234563</Message><A>0491-2345-6789-0123-4563</A>",
        "<Message>04912345678901234563</Message><ns:token a='b'> 04912345678901234563 </ns:token>",
        "<Message>Your token is 0491 2345 6789 0123 4563.</Message>",
        '{"message": "0491-2345-6789-0123-4563", "token": "04912345678901234563"}',
    ],
)
def test_a_vended_token_goes_wherever_it_is_repeated(body: str) -> None:
    text = kept(body)
    assert "4563" not in text
    assert "***" in text


def test_a_number_that_is_as_long_as_a_token_stays() -> None:
    assert "04912345678901234563" in kept("<TransactionId>04912345678901234563</TransactionId><Units>1</Units>")


def test_a_secret_across_the_cut_is_not_kept_by_half() -> None:
    text = kept("x" * (LONGEST_BODY - 5) + SECRET + "y" * 100)
    assert SECRET[:3] not in text
    assert text.endswith("characters in all]")
    assert len(text) < LONGEST_BODY + 200


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<Pin>hidden</Pin>é".encode("utf-16"), "text/xml"),
        (b"\xfe\xff" + "<Pin>hidden</Pin>é".encode("utf-16-be"), "text/xml; charset=utf-8"),
        ("<Pin>hidden</Pin>é".encode("utf-8-sig"), "text/xml"),
        ("<Pin>hidden</Pin>é".encode("latin-1"), "text/xml; charset=ISO-8859-1"),
        ("<Pin>hidden</Pin>é".encode(), "text/xml; charset=no-such"),
    ],
)
def test_other_encodings_are_masked_as_surely(body: bytes, content_type: str) -> None:
    text = kept(body, content_type)
    assert "hidden" not in text
    assert "<Pin>***</Pin>é" in text


@pytest.mark.parametrize("body", [b"\x1f\x8b\x08\x00\xff\xfe", "<Pin>hidden</Pin>".encode("utf-16-le"), b"<Pin>\x00hidden</Pin>", b"\x89PNG\r\n\xff" * 50_000])
def test_what_is_not_text_is_summed_up(body: bytes) -> None:
    text = kept(body)
    assert f"[{len(body)} bytes that are not text" in text
    assert len(text) < 200
    assert "\x00" not in text


def test_a_transcript_never_stands_in_the_way() -> None:
    assert "transcript failed: " in Masker(TERMS).message("GET /", None, b"")  # type: ignore[arg-type]


ATTACKS = ("<Pin>", '"pin":', "<", "<Pin ", "pin=", "&lt;Token&gt;", "token", "token 1234 ", "token 0491 2345 6789 0123 4563 ")


@pytest.mark.parametrize("body", [attack * (500_000 // len(attack)) for attack in ATTACKS], ids=ATTACKS)
@pytest.mark.timeout(10)
def test_an_attack_on_the_patterns_takes_no_time(body: str) -> None:
    assert kept(body)


def test_request_and_response_are_kept_apart() -> None:
    assert str(Transcript("asked", "answered")) == "asked\n\nanswered"
    assert str(Transcript("asked")) == "asked"
