"""How things are said: text from outside stays text, times have a zone, statuses have colour, word and icon."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from core.states import ASKING_PLACES, PAYMENT_PLACES, Status, TransactionType
from core.ui import words

NOON = datetime(2025, 11, 23, 8, 42, 5, tzinfo=UTC)

# What each of these became on the screen was looked at in Chromium: itself, with no element around it.
HARMLESS = {
    "**bold** `code`": r"\*\*bold\*\* \`code\`",
    "[x](http://evil.example)": r"\[x\]\(http\:\/\/" + "\u2060" + r"evil\.example\)",
    "www.evil.example": "www\u2060" + r"\.evil\.example",
    "me@evil.example": "me\u2060" + r"\@evil\.example",
    ":red[hi] :smile:": r"\:red\[hi\] \:" + "\u2060" + r"smile\:",
    "a -> b": r"a \-" + "\u2060" + r"\> b",
    "<b> &amp; $x$": r"\<b\> \&amp; \$x\$",
    "# one\n\n- two": r"\# one \- two",
    "Grace Banda 7": "Grace Banda 7",
}


@pytest.mark.parametrize(("said", "written"), HARMLESS.items())
def test_text_from_outside_stays_text(said: str, written: str) -> None:
    assert words.plain(said) == written


def test_a_text_can_be_read_back_whole() -> None:
    for said in HARMLESS:
        assert re.sub(r"\\(.)", r"\1", words.plain(said)).replace("\u2060", "") == " ".join(said.split())


def test_times_are_the_banks_and_say_so() -> None:
    assert words.clock_time(NOON) == "10:42:05 CAT"
    assert words.moment_text(NOON) == "23 Nov 2025, 10:42:05 CAT"
    assert words.moment_text(None) == "–"
    assert words.as_of(NOON) == "as of 10:42:05 CAT"
    assert words.day(datetime(2025, 11, 22, 22, 30, tzinfo=UTC)) == "23 Nov 2025"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "just now"), (40, "40 seconds ago"), (60, "1 minute ago"), (7_199, "1 hour ago"), (7_200, "2 hours ago"), (200_000, "2 days ago"), (-5, "just now")],
)
def test_an_age_is_said_in_its_largest_unit(seconds: int, said: str) -> None:
    assert words.ago(NOON, NOON + timedelta(seconds=seconds)) == said


def test_an_amount_is_grouped_and_has_its_currency() -> None:
    assert words.amount(Decimal(1_250_000)) == "MWK 1,250,000.00"
    assert words.amount(None) == "–"


def test_every_status_has_a_look_of_its_own() -> None:
    assert set(words.STATUS_LOOKS) == set(Status)
    for quality in ("label", "icon", "colour", "meaning"):
        assert len({getattr(look, quality) for look in words.STATUS_LOOKS.values()}) == len(Status)


def test_every_stage_and_type_has_words() -> None:
    for stage in {*PAYMENT_PLACES, *ASKING_PLACES}:
        assert "_" not in words.stage_label(stage)
    assert set(words.TYPE_LABELS) == set(TransactionType)
