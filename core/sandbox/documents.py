"""XML and JSON as bytes: read without expanding or fetching anything, written from pairs of name and text, as often as the answer is said."""

import json
from collections.abc import Iterable, Mapping, Sequence
from xml.sax.saxutils import escape

from lxml import etree

from core.sandbox.messages import Reply

XML = "text/xml; charset=utf-8"
JSON = "application/json; charset=utf-8"

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"

# No entity is expanded, nothing is fetched; a document type is refused after parsing, whatever the encoding hid it in.
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, remove_comments=True, remove_pis=True)

# Names on the wire, in its order, each with the neutral name it is filled from.
Names = Sequence[tuple[str, str]]


class Malformed(Exception):
    """The document is none. The message says why."""


def read(document: bytes) -> etree._Element:
    """The root of an XML document. Raises Malformed."""
    try:
        root = etree.fromstring(document, _PARSER)
    except (etree.XMLSyntaxError, ValueError):
        raise Malformed("The request is not XML.") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise Malformed("A document type is not welcome here.")
    return root


def first_in_body(document: bytes) -> etree._Element:
    """The one element in a SOAP body. Raises Malformed."""
    root = read(document)
    body = root.find(f"{{{SOAP}}}Body")
    if root.tag != f"{{{SOAP}}}Envelope" or body is None or len(body) != 1 or not isinstance(body[0].tag, str):
        raise Malformed("The request is not a SOAP 1.1 envelope with one element in its body.")
    return body[0]


def fields_of(element: etree._Element) -> dict[str, str]:
    """The text of each child, by local name."""
    return {etree.QName(child).localname: (child.text or "").strip() for child in element if isinstance(child.tag, str)}


def elements(names: Names, said: Mapping[str, str]) -> str:
    """An element for each name that is said, in the order of `names`."""
    return "".join(f"<{name}>{escape(said[neutral])}</{name}>" for name, neutral in names if neutral in said)


def xml_reply(status: int, inner: str) -> Reply:
    return Reply(status, f'<?xml version="1.0" encoding="utf-8"?>\n{inner}\n'.encode(), XML)


def soap_reply(status: int, inner: str) -> Reply:
    return xml_reply(status, f'<soap:Envelope xmlns:soap="{SOAP}"><soap:Body>{inner}</soap:Body></soap:Envelope>')


def soap_fault(who: str, code: str, message: str) -> str:
    return f"<soap:Fault><faultcode>{who}</faultcode><faultstring>{escape(message)}</faultstring><detail><Code>{escape(code)}</Code></detail></soap:Fault>"


def members(names: Names, said: Mapping[str, str]) -> list[tuple[str, object]]:
    """A member for each name that is said, in the order of `names`."""
    return [(name, said[neutral]) for name, neutral in names if neutral in said]


def json_reply(status: int, said: Iterable[tuple[str, object]], copies: int = 1) -> Reply:
    """One object. Copies of its members stand in it again: JSON allows that, and a reader must notice."""
    inner = ",".join(f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=False)}" for name, value in said)
    return Reply(status, ("{" + ",".join([inner] * copies) + "}\n").encode(), JSON)
