"""Envelopes. It knows one thing: an XML document is elements, and what is not plainly one answer is no answer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from lxml import etree

from core.errors import BadInput
from core.wire.letters import Unreadable, written

Element = etree._Element

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"

DEEPEST = 32
MOST_ELEMENTS = 5_000

_DECLARATION = re.compile(r"<\?xml\s[^>]*\?>")


@dataclass(frozen=True, slots=True)
class Fault:
    """`code` is the biller's own (detail/Code) where there is one, else SOAP's."""

    code: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Tag:
    """A name in a namespace, or in none; called, it is an element. Children that are None are left out."""

    namespace: str
    name: str
    prefix: str | None = None

    def __call__(self, *content: "Element | str | None") -> Element:
        # None is lxml's key for the default namespace; its stubs know strings only.
        here: dict[str, str] | None = {self.prefix: self.namespace} if self.namespace else None  # type: ignore[dict-item]
        element = etree.Element(f"{{{self.namespace}}}{self.name}" if self.namespace else self.name, nsmap=here)
        for part in content:
            if isinstance(part, str):
                _write(element, part)
            elif part is not None:
                element.append(part)
        return element

    def given(self, text: str | None) -> Element | None:
        """An element only if there is something to say."""
        return None if text is None else self(text)


@dataclass(frozen=True, slots=True)
class Elements:
    """`X = Elements("urn:x"); X.Pay(X.Account("123"))`. The empty namespace is none.

    A prefix is needed where elements of no namespace stand inside: under a default one they would be taken for its own.
    """

    namespace: str
    prefix: str | None = None

    def __getattr__(self, name: str) -> Tag:
        return Tag(self.namespace, name, self.prefix)


def envelope(operation: Element) -> bytes:
    outer = etree.Element(f"{{{SOAP_11}}}Envelope", nsmap={"soap": SOAP_11})
    etree.SubElement(outer, f"{{{SOAP_11}}}Body").append(operation)
    return document(outer)


def document(root: Element) -> bytes:
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)


def body_of(reply: bytes, content_type: str = "") -> Element:
    """The one thing an envelope says. Raises `Unreadable`: two bodies or two answers in one are none."""
    root = parse(reply, content_type)
    qualified = etree.QName(root)
    if qualified.localname != "Envelope" or qualified.namespace not in (SOAP_11, SOAP_12):
        raise Unreadable(f"The answer is a <{qualified.localname}> and no SOAP envelope.")
    bodies = [child for child in children(root) if child.tag == f"{{{qualified.namespace}}}Body"]
    if len(bodies) != 1:
        raise Unreadable(f"The envelope has {len(bodies)} bodies.")
    answers = list(children(bodies[0]))
    if len(answers) != 1:
        raise Unreadable(f"The envelope's body says {len(answers)} things.")
    return answers[0]


def fault_of(answer: Element) -> Fault | None:
    """The Fault that this answer is, in either version's shape; None if it is none."""
    qualified = etree.QName(answer)
    if qualified.localname != "Fault" or qualified.namespace not in (SOAP_11, SOAP_12):
        return None
    if qualified.namespace == SOAP_11:
        standard, said, detail = text(answer, "faultcode"), text(answer, "faultstring"), child(answer, "detail")
    else:
        code, reason, detail = child(answer, "Code"), child(answer, "Reason"), child(answer, "Detail")
        standard = None if code is None else text(code, "Value")
        # One Text per language is allowed; the first will do for a person.
        texts = [] if reason is None else [one.text for one in children(reason)]
        said = texts[0] if texts else None
    own = None if detail is None else _only(list(detail.iter("{*}Code")), "Code")
    return Fault((_text_of(own) if own is not None else None) or standard or "", said)


def parse(reply: bytes, content_type: str = "") -> Element:
    """One document's root, within bounds. Raises `Unreadable` for anything a biller has no reason to send."""
    said = written(reply, content_type)
    # Before any parser sees it: entities are expanded in attributes whatever a parser is told.
    if "<!DOCTYPE" in said or "<!ENTITY" in said:
        raise Unreadable("The answer defines a document type, which is never read.")
    declaration = _DECLARATION.match(said)
    try:
        root = etree.fromstring(said[declaration.end() if declaration else 0 :].encode(), _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable("The answer is not well-formed XML.") from error
    _bounded(root)
    return root


def children(element: Element) -> Iterator[Element]:
    """Elements only; comments and processing instructions say nothing."""
    return (one for one in element if isinstance(one.tag, str))


def child(element: Element, name: str) -> Element | None:
    """The child of this local name, whatever its prefix; None if there is none. Twice is `Unreadable`: which one would count?"""
    return _only([one for one in children(element) if etree.QName(one).localname == name], name)


def text(element: Element, name: str) -> str | None:
    """What the child of this name says, without surrounding blanks; None if it is absent or empty."""
    found = child(element, name)
    return None if found is None else _text_of(found)


def _only(found: list[Element], name: str) -> Element | None:
    if len(found) > 1:
        raise Unreadable(f"The answer says {name} {len(found)} times.")
    return found[0] if found else None


def _text_of(element: Element) -> str | None:
    # A comment counts: lxml would give only what stands before it, and `5000<!-- -->.00` must not read as 5000.
    if len(element):
        raise Unreadable(f"{etree.QName(element).localname} holds more than text.")
    return (element.text or "").strip() or None


def _write(element: Element, text: str) -> None:
    try:
        element.text = (element.text or "") + text
    except ValueError as error:
        raise BadInput(f"{etree.QName(element).localname} has a character that cannot be sent. Type it again.") from error


@cache
def _parser() -> etree.XMLParser:
    """One for all answers: it keeps nothing of a document, and making one costs more than reading with it."""
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, recover=False)


def _bounded(root: Element) -> None:
    if sum(1 for _ in root.iter()) > MOST_ELEMENTS:
        raise Unreadable("The answer has more elements than are read.")
    level = [root]
    for _ in range(DEEPEST):
        level = [one for element in level for one in children(element)]
    if level:
        raise Unreadable("The answer is nested deeper than is read.")
