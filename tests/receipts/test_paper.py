"""The sheet: text stays text, whatever it says and however long it is."""

import pytest

from core.documents.paper import A5, INK, MOST_LINES, PLAIN, ROLL, draw, printable, row, text, wrapped
from tests.receipts.reading import drawn, words_of


def sheet(said: str) -> bytes:
    return draw(A5, [text(A5, said)], said)


@pytest.mark.parametrize(
    "said",
    [
        "<b>bold</b> & <para>",
        ") Tj ET Q (",
        "(unbalanced \\",
        "\\( \\) \\n \\101",
        "endstream endobj",
        "<< /JS (app.alert(1)) >>",
        "{}{0}%s%(a)s",
    ],
)
def test_what_looks_like_markup_or_like_pdf_is_drawn_as_it_is(said: str) -> None:
    made = sheet(said)
    assert words_of(made) == said
    assert b"/JavaScript" not in made


def test_what_steers_a_text_is_left_out() -> None:
    assert printable("a\u202eb\x00c\u200bd\n\te\ufeff") == "abcd e"
    assert words_of(sheet("Ban\u202eda\x1b[31m")) == "Banda[31m"


def test_a_letter_the_font_lacks_is_drawn_as_its_base_or_as_a_question_mark() -> None:
    assert words_of(sheet("\u0174ina Chi\u0175aya")) == "Wina Chiwaya"
    assert words_of(sheet("Grace \u0646\u0627")) == "Grace ??"


@pytest.mark.parametrize("paper", [A5, ROLL])
def test_a_word_wider_than_the_sheet_is_broken_and_nothing_of_it_lost(paper) -> None:  # type: ignore[no-untyped-def]
    word = "W" * 60
    lines = wrapped(word, PLAIN, 9, paper.room)
    assert len(lines) > 1
    assert "".join(lines) == word


def test_a_text_without_end_ends_with_a_sign_that_it_goes_on() -> None:
    lines = wrapped("word " * 500, PLAIN, 9, A5.room)
    assert len(lines) == MOST_LINES
    assert lines[-1].endswith("…")


def test_what_does_not_fit_a_page_goes_on_the_next_and_pages_are_numbered() -> None:
    made = drawn(draw(A5, [text(A5, f"line {number}") for number in range(100)], "Many", "Foot"))
    assert [line for line in made if line.startswith("line")] == [f"line {number}" for number in range(100)]
    assert [line for line in made if "Page" in line] == [f"Foot Page {number} of 3".replace("Foot ", "Foot   ") for number in (1, 2, 3)]


@pytest.mark.parametrize("letters", ["0123456789ABCDEF", "MWMWMWMWMWMWMWMW", "1111111111111111"])
def test_a_reference_stays_in_one_piece_beside_others(letters: str) -> None:
    for width in range(86, 110):
        assert drawn(draw(A5, [row([(letters, width, "left", PLAIN, INK)], 7.5)], "Row")) == [letters]
