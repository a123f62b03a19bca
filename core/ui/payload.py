"""A masked message made readable: indented where it is well-formed, left as it came where it is not. What is shown was masked when it was kept."""

import orjson
from lxml import etree

from core.wire import soap


def readable(message: str) -> str:
    """Indents the body below its head. Never raises: a garbled answer is the one people most need to see."""
    head, gap, body = message.partition("\n\n")
    start = body.lstrip("\ufeff \r\n\t")[:1]
    return head + gap + (_xml(body) if start == "<" else _json(body) if start in ("{", "[") else body)


def _xml(body: str) -> str:
    """Through the parser that refuses DTDs and entities: a biller's answer is no safer to a browser than to us."""
    declaration, _, rest = body.lstrip("\ufeff \r\n\t").rpartition("?>")
    try:
        root = soap.parse(rest.strip().encode())
    except Exception:  # noqa: BLE001 - whatever it is, it is shown as it came
        return body
    etree.indent(root, space="  ")
    indented = etree.tostring(root, encoding="unicode")
    return f"{declaration}?>\n{indented}" if declaration.startswith("<?xml") else indented


def _json(body: str) -> str:
    try:
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return body
