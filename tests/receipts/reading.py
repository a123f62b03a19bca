"""Reads a PDF of ours back: the strings that are drawn, in the order they are drawn. What is not ASCII stands under its font's own numbers."""

import base64
import re
import zlib

_STREAM = re.compile(rb"<<([^>]*)>>\s*stream\r?\n(.*?)\r?\n?endstream", re.DOTALL)
_DRAWN = re.compile(rb"\(((?:\\.|[^\\()])*)\)\s*Tj", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)


def drawn(pdf: bytes) -> list[str]:
    """Every string of every page."""
    assert pdf.startswith(b"%PDF-")
    return [_unescaped(found).decode("latin-1") for page in _pages(pdf) for found in _DRAWN.findall(page)]


def words_of(pdf: bytes) -> str:
    return " ".join(drawn(pdf))


def _pages(pdf: bytes) -> list[bytes]:
    found = []
    for head, body in _STREAM.findall(pdf):
        if b"ASCII85Decode" in head:
            body = base64.a85decode(body.strip().removesuffix(b"~>"))
        if b"FlateDecode" in head:
            body = zlib.decompress(body)
        if b" Tj" in body:
            found.append(body)
    return found


def _unescaped(text: bytes) -> bytes:
    def one(match: re.Match[bytes]) -> bytes:
        said = match.group(1)
        return bytes([int(said, 8)]) if len(said) == 3 else {b"n": b"\n", b"r": b"\r", b"t": b"\t"}.get(said, said)

    return _ESCAPE.sub(one, text)
