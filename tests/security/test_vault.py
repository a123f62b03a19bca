"""The vault: what opens where, with which key, and how the key ring is kept."""

import base64
import json
import stat
from pathlib import Path

import pytest

from core.errors import Misconfigured
from core.security import vault
from core.security.vault import CannotOpen, Ring
from tests.world import SetEnvironment

SECRET = {"username": "esb", "password": "kachasu"}
PLACE = ("biller_configs", "0190", "authentication")
RING = Ring({"k1": b"1" * 32})
ROTATED = Ring({"k1": b"1" * 32, "k2": b"2" * 32})


def test_what_is_sealed_opens_in_its_place() -> None:
    assert vault.open_secret(vault.seal_secret(SECRET, *PLACE, RING), *PLACE, RING) == SECRET


def test_an_envelope_names_its_version_and_key_and_shows_nothing() -> None:
    version, key_id, encoded = vault.seal_secret(SECRET, *PLACE, RING).split(".")
    assert (version, key_id) == ("v1", "k1")
    assert b"kachasu" not in base64.b64decode(encoded)


def test_the_same_secret_sealed_twice_looks_different() -> None:
    assert vault.seal_secret(SECRET, *PLACE, RING) != vault.seal_secret(SECRET, *PLACE, RING)


@pytest.mark.parametrize(
    "elsewhere", [("biller_configs", "0191", "authentication"), ("biller_config_versions", "0190", "authentication"), ("biller_configs", "0190", "other")]
)
def test_a_secret_moved_to_another_row_table_or_column_does_not_open(elsewhere: tuple[str, str, str]) -> None:
    with pytest.raises(CannotOpen):
        vault.open_secret(vault.seal_secret(SECRET, *PLACE, RING), *elsewhere, RING)


def test_place_names_cannot_be_shifted_into_each_other() -> None:
    with pytest.raises(CannotOpen):
        vault.open_secret(vault.seal_secret(SECRET, "biller_configs", "1", "authentication", RING), "biller_config", "s1", "authentication", RING)


def test_a_changed_secret_does_not_open() -> None:
    envelope = vault.seal_secret(SECRET, *PLACE, RING)
    raw = bytearray(base64.b64decode(envelope.rsplit(".", 1)[1]))
    for position in range(len(raw)):
        raw[position] ^= 1
        with pytest.raises(CannotOpen):
            vault.open_secret(f"v1.k1.{base64.b64encode(raw).decode()}", *PLACE, RING)
        raw[position] ^= 1


@pytest.mark.parametrize("envelope", ["", "v1", "v1.k1.", "v2.k1.AAAA", "v1.k1.AAAA", "v1.k1.%%%", "v1.k9." + "A" * 40, "v1.k1.A.B"])
def test_what_is_no_envelope_does_not_open(envelope: str) -> None:
    with pytest.raises(CannotOpen):
        vault.open_secret(envelope, *PLACE, RING)


def test_another_key_of_the_same_name_does_not_open() -> None:
    with pytest.raises(CannotOpen):
        vault.open_secret(vault.seal_secret(SECRET, *PLACE, RING), *PLACE, Ring({"k1": b"x" * 32}))


def test_the_key_an_envelope_names_cannot_be_changed() -> None:
    envelope = vault.seal_secret(SECRET, *PLACE, RING).replace("v1.k1.", "v1.k2.")
    with pytest.raises(CannotOpen):
        vault.open_secret(envelope, *PLACE, Ring({"k1": b"1" * 32, "k2": b"1" * 32}))


def test_the_newest_key_seals_and_every_key_opens() -> None:
    old = vault.seal_secret(SECRET, *PLACE, RING)
    new = vault.seal_secret(SECRET, *PLACE, ROTATED)
    assert new.startswith("v1.k2.")
    assert vault.open_secret(old, *PLACE, ROTATED) == vault.open_secret(new, *PLACE, ROTATED) == SECRET
    again = vault.resealed(old, *PLACE, ROTATED)
    assert again.startswith("v1.k2.")
    assert vault.open_secret(again, *PLACE, ROTATED) == SECRET
    with pytest.raises(CannotOpen):
        vault.open_secret(new, *PLACE, RING)


# The ring.


def test_without_a_ring_a_sentence_says_what_to_do() -> None:
    with pytest.raises(Misconfigured, match="BILLERS_VAULT_KEYS"):
        vault.load_ring()


def test_a_first_ring_is_made_for_its_owner_alone_and_kept() -> None:
    made = vault.ensure_ring()
    assert stat.S_IMODE(vault.ring_path().stat().st_mode) == 0o600
    assert len(made.newest[1]) == 32
    assert vault.ensure_ring() == made == vault.load_ring()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_ring_that_others_may_read_is_refused(mode: int) -> None:
    vault.ensure_ring()
    vault.ring_path().chmod(mode)
    with pytest.raises(Misconfigured, match="chmod 600"):
        vault.load_ring()


def test_a_ring_that_was_read_is_read_again_once_it_changed_or_may_not_be_read() -> None:
    """It is kept between calls; a key that was added, or a file that was opened to others, must not wait for a restart."""
    first, path = vault.ensure_ring(), vault.ring_path()
    assert vault.load_ring() is vault.load_ring(), "the disk is asked for the file's version only"
    rotated = path.with_suffix(".rotated")
    rotated.write_text(json.dumps({name: base64.b64encode(key).decode() for name, key in {**first.keys, "k2": b"2" * 32}.items()}))
    rotated.chmod(0o600)
    rotated.replace(path)
    assert vault.load_ring().newest == ("k2", b"2" * 32)
    path.chmod(0o644)
    with pytest.raises(Misconfigured, match="chmod 600"):
        vault.load_ring()
    path.unlink()
    with pytest.raises(Misconfigured, match="BILLERS_VAULT_KEYS"):
        vault.load_ring()


def test_the_environments_ring_goes_first_and_no_file_is_made(set_environment: SetEnvironment) -> None:
    keys = {"a": base64.b64encode(b"a" * 32).decode(), "b": base64.b64encode(b"b" * 32).decode()}
    set_environment(billers_vault_keys=json.dumps(keys))
    assert vault.ensure_ring().newest == ("b", b"b" * 32)
    assert not vault.ring_path().exists()


KEY = base64.b64encode(b"a" * 32).decode()


@pytest.mark.parametrize(
    "text",
    [
        *("no json", "{}", "[]", "null", "7", '{"a": 7}', '{"a": null}', '{"a": "short"}', '{"a": "%%%"}'),
        *(f'{{"a": "{KEY}", "a": "{KEY}"}}', f'{{"a.b": "{KEY}"}}', f'{{"": "{KEY}"}}', f'["{KEY}"]'),
    ],
)
def test_a_ring_that_cannot_be_used_is_refused_without_being_quoted(set_environment: SetEnvironment, text: str) -> None:
    set_environment(billers_vault_keys=text)
    with pytest.raises(Misconfigured, match="BILLERS_VAULT_KEYS must be JSON") as refused:
        vault.load_ring()
    assert KEY not in refused.value.sentence
    assert KEY not in repr(refused.value)


def test_a_ring_shows_its_names_only() -> None:
    assert repr(ROTATED) == "Ring(k1, k2)"


def test_a_half_written_ring_is_never_seen(tmp_path: Path) -> None:
    vault.ensure_ring()
    assert [path.name for path in vault.ring_path().parent.glob("vault-keys*")] == ["vault-keys.json"]


# Credentials from the environment.


def test_credentials_of_the_environment_go_before_the_databases(set_environment: SetEnvironment) -> None:
    assert vault.credentials_from_environment("lwb_postpaid") is None
    set_environment(billers_credentials_lwb_postpaid=json.dumps(SECRET))
    assert vault.credentials_from_environment("lwb_postpaid") == SECRET
    assert vault.credentials_from_environment("LWB_POSTPAID") == SECRET


@pytest.mark.parametrize("text", ["no json", "[]", '"kachasu"'])
def test_credentials_that_cannot_be_read_are_not_quoted(set_environment: SetEnvironment, text: str) -> None:
    set_environment(billers_credentials_lwb_postpaid=text)
    with pytest.raises(Misconfigured, match="BILLERS_CREDENTIALS_LWB_POSTPAID") as refused:
        vault.credentials_from_environment("lwb_postpaid")
    assert "kachasu" not in refused.value.sentence
