"""The differences of a biller's day as CSV, to be worked through elsewhere or sent to the biller. What others wrote is text in it, and never a formula."""

import csv
import io
from collections.abc import Iterable, Sequence

from core.documents.report_csv import BOM, as_text, identifier

# Name, and whether it is a number or a code that has to stay as it is; everything else is words.
COLUMNS: Sequence[tuple[str, bool]] = (
    *(("difference", False), ("open", False), ("our_reference", True), ("our_account", True), ("our_amount", False), ("our_status", False)),
    *(("row", False), ("line_kind", False), ("line_our_reference", True), ("line_their_reference", True), ("line_account", True), ("line_amount", False)),
    *(("currency", False), ("what_was_made_of_it", False), ("words", False), ("by", False), ("when", False)),
)


def write_differences(rows: Iterable[Sequence[str]]) -> bytes:
    """The file: UTF-8 with its mark, identifiers kept as text, no cell a formula of its own."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([name for name, _ in COLUMNS])
    for row in rows:
        writer.writerow([_cell(said, is_code) for said, (_, is_code) in zip(row, COLUMNS, strict=True)])
    return BOM + text.getvalue().encode()


def _cell(said: str, is_code: bool) -> str:
    if not said:
        return ""
    return identifier(said) if is_code else as_text(said)
