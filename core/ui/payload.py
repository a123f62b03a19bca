"""A masked message made readable: indented where it is well-formed, left as it came where it is not. What is shown was masked when it was kept."""

from dataclasses import dataclass
from typing import Literal

import orjson
from lxml import etree

from core.wire import soap


@dataclass(frozen=True, slots=True)
class Readable:
    head: str
    body: str
    language: Literal["xml", "json"] | None

    @property
    def text(self) -> str:
        return "\n\n".join(part for part in (self.head, self.body) if part)


def readable(message: str) -> Readable:
    """Splits head from body and indents the body. Never raises: a garbled answer is the one people most need to see."""
    head, _, body = message.partition("\n\n")
    if body.lstrip("\ufeff \r\n\t").startswith("<"):
        return Readable(head, *_xml(body))
    if body.lstrip().startswith(("{", "[")):
        return Readable(head, *_json(body))
    return Readable(head, body, None)


def _xml(body: str) -> tuple[str, Literal["xml"] | None]:
    """Through the parser that refuses DTDs and entities: a biller's answer is no safer to a browser than to us."""
    declaration, _, rest = body.lstrip("\ufeff \r\n\t").rpartition("?>")
    try:
        root = soap.parse(rest.strip().encode())
    except Exception:  # noqa: BLE001 - whatever it is, it is shown as it came
        return body, None
    etree.indent(root, space="  ")
    indented = etree.tostring(root, encoding="unicode")
    return (f"{declaration}?>\n{indented}" if declaration.startswith("<?xml") else indented), "xml"


def _json(body: str) -> tuple[str, Literal["json"] | None]:
    try:
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode(), "json"
    except orjson.JSONDecodeError:
        return body, None
