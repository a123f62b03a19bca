"""Codes as RFC 6238 has them, and none twice."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest

from core.documents import qr
from core.security import totp

# The appendix's own secret for SHA-1.
SECRET = b"12345678901234567890"

# RFC 6238, appendix B: seconds since 1970, and the code of eight digits. Ours are the last six of them.
VECTORS = (
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
)


@pytest.mark.parametrize(("seconds", "code"), VECTORS)
def test_the_standards_own_moments_have_the_standards_own_codes(seconds: int, code: str) -> None:
    assert totp.code_of(SECRET, totp.step_at(seconds)) == code[-6:]


def test_a_code_is_of_its_half_minute_and_of_its_neighbours() -> None:
    now = totp.step_at(1111111109)
    accepted = [step - now for step in range(now - 3, now + 4) if totp.step_of(SECRET, totp.code_of(SECRET, step), now, None) == step]
    assert accepted == [-1, 0, 1]


def test_no_code_counts_twice_nor_one_before_it() -> None:
    now = totp.step_at(1111111109)
    assert totp.step_of(SECRET, totp.code_of(SECRET, now), now, now - 1) == now
    assert totp.step_of(SECRET, totp.code_of(SECRET, now), now, now) is None
    assert totp.step_of(SECRET, totp.code_of(SECRET, now - 1), now, now) is None
    assert totp.step_of(SECRET, totp.code_of(SECRET, now + 1), now, now) == now + 1


@pytest.mark.parametrize("typed", ["", "0", "000000x", "٠٨١٨٠٤", "081804081804"])
def test_what_is_no_code_is_none(typed: str) -> None:
    assert totp.step_of(SECRET, typed, totp.step_at(1111111109), None) is None


def test_an_app_can_read_the_address() -> None:
    address = urlsplit(totp.address(SECRET, "grace banda/ö"))
    assert (address.scheme, address.netloc, address.path) == ("otpauth", "totp", "/Billers:grace%20banda/%C3%B6")
    asked = {name: value for name, [value] in parse_qs(address.query).items()}
    assert base64.b32decode(asked.pop("secret")) == SECRET
    assert asked == {"issuer": "Billers", "algorithm": "SHA1", "digits": "6", "period": "30"}


def test_secrets_are_as_long_as_the_hash_and_never_the_same() -> None:
    made = {totp.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(secret) for secret in made} == {20}


def test_the_picture_has_a_white_margin_and_the_three_corners() -> None:
    picture = qr.svg(totp.address(SECRET, "grace"))
    side = int(picture.split('viewBox="0 0 ')[1].split()[0])
    dark = {tuple(map(int, place.split())) for place in picture.split('d="M')[1].split('"')[0].replace("h1v1h-1z", "").split("M")}
    assert not [place for place in dark if min(place) < qr.QUIET or max(place) >= side - qr.QUIET]
    # A finder pattern: seven dark, then light.
    last = side - qr.QUIET - 7
    for left, top in ((qr.QUIET, qr.QUIET), (last, qr.QUIET), (qr.QUIET, last)):
        assert all((left + step, top) in dark for step in range(7))
        assert (left + 3, top + 3) in dark
        assert (left + 1, top + 1) not in dark
