"""The letters of a reply. It knows one thing: bytes become text in the way the reply says they were written, within bounds, or not at all."""

import codecs
import re

from core.errors import BillersError

LARGEST = 1024 * 1024

# By the names Python's codecs give them. UTF-16 is read where a BOM or the charset tells its byte order.
ENCODINGS = frozenset({"utf-8", "ascii", "iso8859-1", "cp1252", "utf-16-le", "utf-16-be"})
BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))

_DECLARED = re.compile(rb"<\?xml\s[^>]*\bencoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([A-Za-z0-9._-]+)", re.IGNORECASE)


class Unreadable(BillersError):
    """The biller's answer could not be understood."""


def written(document: bytes, content_type: str = "") -> str:
    """The text of one document. Raises `Unreadable` for what no biller has a reason to send."""
    if not document.strip():
        raise Unreadable("The answer is empty.")
    if len(document) > LARGEST:
        raise Unreadable("The answer is longer than is read.")
    if content_type.lower().lstrip().startswith("multipart/") or document.startswith(b"--"):
        # No biller's contract has attachments: a body in several parts is not the answer to anything we asked.
        raise Unreadable("The answer comes in several parts.")
    encoding, skip = _encoding(document, content_type)
    try:
        text = document[skip:].decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"The answer is not written in {encoding} as it says.") from error
    if "\x00" in text:
        raise Unreadable("The answer has NUL characters.")
    return text


def _encoding(document: bytes, content_type: str) -> tuple[str, int]:
    """A BOM outranks the charset, and that the document's own declaration (RFC 7303)."""
    for bom, encoding in BOMS:
        if document.startswith(bom):
            return encoding, len(bom)
    charset, declared = _CHARSET.search(content_type), _DECLARED.match(document)
    named = charset[1] if charset else declared[1].decode("ascii") if declared else "utf-8"
    try:
        encoding = codecs.lookup(named).name
    except LookupError:
        encoding = ""
    if encoding not in ENCODINGS:
        raise Unreadable(f"The answer is written in {named!r}, which is not read.")
    return encoding, 0
