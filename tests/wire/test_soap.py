"""Envelopes as the world writes them, and as an enemy does."""

import pytest
from lxml import etree

from core.errors import BadInput
from core.wire.letters import LARGEST, Unreadable
from core.wire.soap import MOST_ELEMENTS, SOAP_11, SOAP_12, Elements, Fault, body_of, child, envelope, fault_of, parse, text

from .samples import SAMPLES, sample

X = Elements("urn:x")

# Every sample file, and what must become of it: what its body's one element is called, or what the refusal says.
READ = {
    "soap/springws_addressing_10_response-fault-to.xml": "Fault",
    "soap/springws_addressing_200408_response-fault-to.xml": "Fault",
    "soap/springws_axiom_SWS-502.xml": "sendMessageResponse",
    "soap/springws_soap11_soap11.xml": "GetLastTradePrice",
    "soap/springws_soap11_soap11-utf8-bom.xml": "GetLastTradePrice",
    "soap/springws_soap11_soap11-utf16-be-bom.xml": "GetLastTradePrice",
    "soap/springws_soap11_soap11-utf16-le-bom.xml": "GetLastTradePrice",
    "soap/springws_soap12_soap12.xml": "alert",
}
REFUSED = {
    # An undeclared prefix: libxml2 could guess, and a guess about money is none.
    "soap/springws_saaj_support_invalidNamespaceReferenceSoapMessage.xml": "not well-formed",
    "soap/springws_soap11_soap11-ill-formed.xml": "not well-formed",
    "soap/springws_soap12_soap12-ill-formed.xml": "not well-formed",
    # SOAP with Attachments: no contract of ours has any, and which part is "the" answer would be the sender's choice.
    "soap/springws_soap11_soap11-attachment.bin": "several parts",
    "soap/springws_soap12_soap12-attachment.bin": "several parts",
    "xml-hostile/defusedxml_cyclic.xml": "document type",
    "xml-hostile/defusedxml_dtd.xml": "document type",
    "xml-hostile/defusedxml_dtd_element.xml": "document type",
    "xml-hostile/defusedxml_external.xml": "document type",
    "xml-hostile/defusedxml_external_file.xml": "document type",
    "xml-hostile/defusedxml_quadratic.xml": "document type",
    "xml-hostile/defusedxml_xmlbomb.xml": "document type",
    "xml-hostile/defusedxml_xmlbomb2.xml": "document type",
    # Harmless XML (the positive controls of that collection), and no envelope.
    "xml-hostile/defusedxml_simple.xml": "<root> and no SOAP envelope",
    "xml-hostile/defusedxml_simple-ns.xml": "<root> and no SOAP envelope",
}


@pytest.mark.parametrize("name", READ)
def test_a_sample_that_is_an_answer_is_read(name: str) -> None:
    assert etree.QName(body_of(sample(name))).localname == READ[name]


@pytest.mark.parametrize("name", REFUSED)
def test_a_sample_that_is_none_is_refused_with_its_reason(name: str) -> None:
    with pytest.raises(Unreadable, match=REFUSED[name]):
        body_of(sample(name))


def test_no_sample_is_left_out() -> None:
    sample("soap/springws_soap11_soap11.xml")
    there = {
        str(path.relative_to(SAMPLES)) for folder in ("soap", "xml-hostile") for path in (SAMPLES / folder).iterdir() if not path.name.startswith("LICENSE")
    }
    assert there == READ.keys() | REFUSED.keys()


def test_the_harmless_ones_of_the_hostile_collection_are_parsed() -> None:
    assert [etree.QName(one).localname for one in parse(sample("xml-hostile/defusedxml_simple.xml"))] == ["element", "element", "empty-element"]


def test_the_utf16_samples_say_what_the_utf8_ones_say() -> None:
    assert {text(body_of(sample(name)), "symbol") for name in READ if "soap11-utf" in name} == {"DIS"}


def test_cdata_is_text() -> None:
    said = text(body_of(sample("soap/springws_axiom_SWS-502.xml")), "sendMessageReturn")
    assert said is not None
    assert said.startswith('<?xml version="1.0" encoding="UTF-8"?>')


# --- what we say ---


def test_an_envelope_is_made_of_elements() -> None:
    said = envelope(X.Pay(X.Account("12"), X.Name('A & B <"c">'), X.Missing.given(None)))
    assert said == (
        b"<?xml version='1.0' encoding='utf-8'?>\n"
        b'<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        b'<Pay xmlns="urn:x"><Account>12</Account><Name>A &amp; B &lt;"c"&gt;</Name></Pay></soap:Body></soap:Envelope>'
    )
    assert text(body_of(said), "Name") == 'A & B <"c">'


def test_elements_of_no_namespace_stay_in_none_inside_a_prefixed_one() -> None:
    x, n = Elements("urn:x", prefix="x"), Elements("")
    answer = body_of(envelope(x.pay(n.Request(n.Account("12")))))
    assert [one.tag for one in answer.iter()] == ["{urn:x}pay", "Request", "Account"]


@pytest.mark.parametrize("bad", ["a\x00b", "a\x0bb", "\ud800"])
def test_a_character_xml_cannot_carry_is_refused_in_words(bad: str) -> None:
    with pytest.raises(BadInput, match="Account has a character that cannot be sent"):
        X.Account(bad)


# --- what we read ---


def soap(inner: str, namespace: str = SOAP_11, prefix: str = "s") -> str:
    return f'<{prefix}:Envelope xmlns:{prefix}="{namespace}"><{prefix}:Body>{inner}</{prefix}:Body></{prefix}:Envelope>'


GOOD = soap("<Answer><Name>Łucja é</Name></Answer>")


@pytest.mark.parametrize(
    ("document", "content_type"),
    [
        (GOOD.encode(), ""),
        (GOOD.encode(), "text/xml; charset=utf-8"),
        (GOOD.encode(), 'text/xml; charset="UTF-8"'),
        (GOOD.encode("utf-8-sig"), "text/xml; charset=iso-8859-1"),  # a BOM outranks the header
        (GOOD.encode("utf-16"), "text/xml"),
        (GOOD.encode("utf-16"), "text/xml; charset=utf-8"),
        (GOOD.encode("utf-16-le"), "text/xml; charset=utf-16le"),
        (GOOD.encode("utf-16-be"), "text/xml; charset=utf-16be"),
        (('<?xml version="1.0" encoding="utf-16"?>' + GOOD).encode("utf-16"), ""),
        (('<?xml version="1.0" encoding="latin-1"?>' + GOOD).encode(), "text/xml; charset=utf-8"),  # the header outranks the declaration
        (b"\xef\xbb\xbf<?xml version='1.0'?>\r\n<!-- hello --><?pi x?>" + GOOD.encode(), ""),
    ],
)
def test_an_answer_is_read_in_the_encoding_it_says(document: bytes, content_type: str) -> None:
    assert text(body_of(document, content_type), "Name") == "Łucja é"


def test_a_latin_answer_is_read_by_header_and_by_declaration() -> None:
    latin = soap("<Answer><Name>né</Name></Answer>").encode("latin-1")
    assert text(body_of(latin, "text/xml; charset=ISO-8859-1"), "Name") == "né"
    assert text(body_of(b"<?xml version='1.0' encoding='ISO-8859-1'?>" + latin), "Name") == "né"


ANSWER = "<Answer><Status>SUCCESS</Status></Answer>"

HOSTILE: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"", "", "empty"),
    "blanks": (b" \r\n", "", "empty"),
    "a BOM alone": (b"\xef\xbb\xbf", "", "not well-formed"),
    "an HTML page": (b"<html><body><h1>Bad gateway</h1></body></html>", "text/html", "no SOAP envelope"),
    "HTML that is no XML": (b"<html><br><p>", "text/html", "not well-formed"),
    "a polite HTML page": (b"<!DOCTYPE html><html/>", "text/html", "document type"),
    "JSON": (b'{"status": "success"}', "application/json", "not well-formed"),
    "truncated": (soap(ANSWER)[:-9].encode(), "", "not well-formed"),
    "two documents": (soap(ANSWER).encode() * 2, "", "not well-formed"),
    "success twice": (soap(ANSWER * 2).encode(), "", "says 2 things"),
    "success and a Fault": (soap(ANSWER + "<s:Fault/>").encode(), "", "says 2 things"),
    "an empty body": (soap("").encode(), "", "says 0 things"),
    "words for a body": (soap("SUCCESS").encode(), "", "says 0 things"),
    "two bodies": (soap(ANSWER).replace("</s:Body>", f"</s:Body><s:Body>{ANSWER}</s:Body>").encode(), "", "2 bodies"),
    "no body": (f'<s:Envelope xmlns:s="{SOAP_11}"/>'.encode(), "", "0 bodies"),
    "a body of the other version": (f'<s:Envelope xmlns:s="{SOAP_11}"><Body xmlns="{SOAP_12}">{ANSWER}</Body></s:Envelope>'.encode(), "", "0 bodies"),
    "another namespace": (soap(ANSWER, "urn:not-soap").encode(), "", "no SOAP envelope"),
    "NUL": (soap("<A>SUC\x00CESS</A>").encode(), "", "NUL"),
    "UTF-16 without a BOM": (soap(ANSWER).encode("utf-16-le"), "", "NUL"),
    "UTF-16 of unknown byte order": (soap(ANSWER).encode("utf-16-le"), "text/xml; charset=utf-16", "'utf-16', which is not read"),
    "UTF-32": (soap(ANSWER).encode("utf-32"), "", "NUL"),
    "UTF-7": (soap(ANSWER).encode("utf-7"), "text/xml; charset=utf-7", "'utf-7', which is not read"),
    "a codec of Python's own": (soap(ANSWER).encode(), "text/xml; charset=rot13", "'rot13', which is not read"),
    "no such encoding": (b"<?xml version='1.0' encoding='no-such'?>" + soap(ANSWER).encode(), "", "'no-such', which is not read"),
    "another encoding than it says": (soap("<A>é</A>").encode("latin-1"), "text/xml; charset=utf-8", "not written in utf-8"),
    "an attachment": (b"--part\r\n\r\n" + soap(ANSWER).encode(), 'multipart/related; type="text/xml"', "several parts"),
    "a document type in UTF-16": (("<!DOCTYPE a [<!ENTITY b 'c'>]>" + soap(ANSWER)).encode("utf-16"), "", "document type"),
    "an undefined entity": (soap("<A>&b;</A>").encode(), "", "not well-formed"),
    "too long": (soap(f"<A>{'x' * LARGEST}</A>").encode(), "", "longer"),
    "too deep": (soap("<a>" * 40 + "</a>" * 40).encode(), "", "deeper"),
    "far too deep": (soap("<a>" * 5000 + "</a>" * 5000).encode(), "", "not well-formed"),
    "too many elements": (soap("<a>" + "<b/>" * MOST_ELEMENTS + "</a>").encode(), "", "more elements"),
    "an attribute twice": (soap("<a b='1' b='2'/>").encode(), "", "not well-formed"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_not_plainly_one_answer_is_none(name: str) -> None:
    document, content_type, reason = HOSTILE[name]
    with pytest.raises(Unreadable, match=reason):
        body_of(document, content_type)


def test_what_lies_just_within_the_bounds_is_read() -> None:
    assert body_of(soap("<a>" * 30 + "</a>" * 30).encode()) is not None
    assert body_of(soap("<a>" + "<b/>" * (MOST_ELEMENTS - 3) + "</a>").encode()) is not None


def test_a_child_is_found_whatever_its_prefix() -> None:
    answer = body_of(soap('<x:Answer xmlns:x="urn:x"><!-- a --><x:Status> SUCCESS\n</x:Status><Empty/><Blank> </Blank></x:Answer>', prefix="SOAP-ENV").encode())
    assert text(answer, "Status") == "SUCCESS"
    assert text(answer, "Empty") is None
    assert text(answer, "Blank") is None
    assert text(answer, "Missing") is None
    assert child(answer, "Missing") is None


@pytest.mark.parametrize(
    "inner",
    [
        "<Status>SUCCESS</Status><Status>SUCCESS</Status>",
        "<Status>SUCCESS</Status><x:Status xmlns:x='urn:x'>REJECTED</x:Status>",
        "<Status>SUC<!-- -->CESS</Status>",
        "<Status>SUC<?pi?>CESS</Status>",
        "<Status><b>SUCCESS</b></Status>",
    ],
)
def test_what_is_said_twice_or_in_pieces_is_unreadable(inner: str) -> None:
    with pytest.raises(Unreadable):
        text(body_of(soap(f"<Answer>{inner}</Answer>").encode()), "Status")


@pytest.mark.parametrize(
    ("inner", "namespace", "fault"),
    [
        ("<s:Fault><faultcode>s:Server</faultcode><faultstring>No</faultstring><detail><Code>LIMIT</Code></detail></s:Fault>", SOAP_11, Fault("LIMIT", "No")),
        ("<s:Fault><faultcode>s:Server</faultcode><faultstring>No</faultstring></s:Fault>", SOAP_11, Fault("s:Server", "No")),
        ("<s:Fault><faultcode>s:Server</faultcode><detail><e><b:Code xmlns:b='urn:b'>LIMIT</b:Code></e></detail></s:Fault>", SOAP_11, Fault("LIMIT", None)),
        ("<s:Fault/>", SOAP_11, Fault("", None)),
        (
            "<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text xml:lang='en'>No</s:Text></s:Reason></s:Fault>",
            SOAP_12,
            Fault("s:Receiver", "No"),
        ),
        (
            "<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Detail><Code>LIMIT</Code></s:Detail></s:Fault>",
            SOAP_12,
            Fault("LIMIT", None),
        ),
        ("<Fault><detail><Code>LIMIT</Code></detail></Fault>", SOAP_11, None),  # somebody's own element of that name
        (ANSWER, SOAP_11, None),
    ],
)
def test_a_fault_is_read_in_either_versions_shape(inner: str, namespace: str, fault: Fault | None) -> None:
    assert fault_of(body_of(soap(inner, namespace).encode())) == fault


def test_a_fault_with_two_codes_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="Code 2 times"):
        fault_of(body_of(soap("<s:Fault><detail><Code>A</Code><Code>B</Code></detail></s:Fault>").encode()))
