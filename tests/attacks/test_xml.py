"""XML as an enemy writes it, in what billers answer and in what we are made to send."""

import gzip
import tracemalloc
from pathlib import Path
from xml.parsers import expat

import httpx
import pytest
from lxml import etree

from core.adapters.lwb_postpaid import LwbPostpaid
from core.errors import BadInput
from core.money import Money
from core.wire.contract import Payment, Terms
from core.wire.destination import LinePolicy
from core.wire.letters import LARGEST, Unreadable
from core.wire.soap import DEEPEST, MOST_ELEMENTS, body_of, parse, text
from tests.attacks.listener import listening
from tests.attacks.report import ControlFired, Refused
from tests.attacks.test_ssrf import GOOD, ask

MIB = 1024 * 1024

# Ten of it are in each of the next, as in the laughs by the billion; here so few that the control can afford them.
BOMB = '<!DOCTYPE a [<!ENTITY b0 "ha">' + "".join(f'<!ENTITY b{n} "{f"&b{n - 1};" * 10}">' for n in range(1, 6)) + "]><a>&b5;</a>"
QUADRATIC = f'<!DOCTYPE a [<!ENTITY b "{"x" * 10_000}">]><a>{"&b;" * 100}</a>'
IN_AN_ATTRIBUTE = BOMB.replace("<a>&b5;</a>", '<a b="&b5;"/>')

EVERYTHING = etree.XMLParser(resolve_entities=True, load_dtd=True, huge_tree=True)

# What an account number says that wants to be more than one.
SMUGGLED = "100001</AccountNumber><Amount>1.00</Amount><AccountNumber>666"


def unfolded(document: str) -> str:
    """Text and attributes as Python's own parser says them. It has a bound of its own, far above what is tried here; a later one may have none."""
    said: list[str] = []
    parser = expat.ParserCreate()
    parser.CharacterDataHandler = said.append
    parser.StartElementHandler = lambda _name, attributes: said.extend(attributes.values())
    parser.Parse(document, True)
    return "".join(said)


@pytest.mark.attack("xxe")
@pytest.mark.parametrize("place", ["element", "parameter entity"])
def test_an_answer_that_names_a_file_of_ours_reads_nothing(place: str, tmp_path: Path, control_fired: ControlFired, refused: Refused) -> None:
    (tmp_path / "keys").write_text("the vault's keys")
    (tmp_path / "dtd").write_text(f'<!ENTITY file SYSTEM "{(tmp_path / "keys").as_uri()}">')
    declared = {
        "element": f'<!ENTITY file SYSTEM "{(tmp_path / "keys").as_uri()}">',
        "parameter entity": f'<!ENTITY % more SYSTEM "{(tmp_path / "dtd").as_uri()}"> %more;',
    }[place]
    answer = f"<!DOCTYPE a [{declared}]><a>&file;</a>".encode()

    assert etree.fromstring(answer, EVERYTHING).text == "the vault's keys"
    control_fired("a parser that resolves entities read the file")

    with pytest.raises(Unreadable, match="document type"):
        parse(answer)
    refused("the answer is unreadable, and no file was opened")


@pytest.mark.attack("entity-bomb")
@pytest.mark.parametrize("bomb", [BOMB, QUADRATIC, IN_AN_ATTRIBUTE], ids=["nested", "quadratic", "in an attribute"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_that_unfold_are_never_unfolded(bomb: str, encoding: str, control_fired: ControlFired, refused: Refused) -> None:
    assert len(unfolded(bomb)) > 20 * len(bomb)
    control_fired("a few hundred bytes became as many thousand in Python's own parser")

    tracemalloc.start()
    with pytest.raises(Unreadable, match="document type"):
        parse(bomb.encode(encoding))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < MIB
    refused("the answer is unreadable before a parser has seen it")


@pytest.mark.attack("size-bomb")
@pytest.mark.parametrize(
    ("answer", "because"),
    [
        (b"<a>" + b"x" * LARGEST + b"</a>", "longer than is read"),
        (b"<a>" + b"<b/>" * (MOST_ELEMENTS + 1) + b"</a>", "more elements than are read"),
        (b"<a>" * (DEEPEST + 2) + b"</a>" * (DEEPEST + 2), "deeper than is read"),
    ],
    ids=["long", "wide", "deep"],
)
def test_an_answer_beyond_its_bounds_is_not_read(answer: bytes, because: str, control_fired: ControlFired, refused: Refused) -> None:
    assert etree.fromstring(answer, EVERYTHING).tag == "a"
    control_fired("a parser without bounds read all of it")

    with pytest.raises(Unreadable, match=because):
        parse(answer)
    refused("the answer is unreadable: it is longer, wider or deeper than any biller's")


@pytest.mark.attack("size-bomb")
def test_a_body_without_end_is_cut_off_on_the_wire(control_fired: ControlFired, refused: Refused) -> None:
    with listening(body=b"x" * 20 * MIB) as biller:
        url = f"http://{GOOD}:{biller.port}"
        assert len(httpx.get(url, trust_env=False).content) == 20 * MIB
        control_fired("plain httpx took 20 MB into memory")

        tracemalloc.start()
        answer = ask(url, LinePolicy([GOOD], [f"{GOOD}/32"]))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (answer.value, answer.failure) == (None, "reply_too_large")
        assert most < 8 * MIB
        refused("the line stopped reading after 1 MB")


@pytest.mark.attack("size-bomb")
def test_a_packed_body_is_not_unpacked(control_fired: ControlFired, refused: Refused) -> None:
    with listening(body=gzip.compress(b"x" * 20 * MIB), headers={"Content-Encoding": "gzip"}) as biller:
        url = f"http://{GOOD}:{biller.port}"
        assert len(httpx.get(url, trust_env=False).content) == 20 * MIB
        control_fired("20 KB became 20 MB in plain httpx")

        answer = ask(url, LinePolicy([GOOD], [f"{GOOD}/32"]))
        assert (answer.value, answer.failure) == (None, "encoded_reply")
        refused("the line asked for no packing, and unpacks none")


@pytest.mark.attack("xml-injection")
def test_an_account_number_stays_the_text_of_its_element(control_fired: ControlFired, refused: Refused) -> None:
    naive = f"<Pay><AccountNumber>{SMUGGLED}</AccountNumber><Amount>5475.50</Amount></Pay>"
    assert [one.text for one in etree.fromstring(naive).iter("Amount")] == ["1.00", "5475.50"]
    control_fired("put together as text, the request had a second amount, and another account")

    payment = Payment("P-1", SMUGGLED, Money.parse("5475.50"))
    for dialect in ("soap", "esb"):
        said = LwbPostpaid(Terms("https://biller.test", {}, dialect=dialect)).pay(payment).request.body
        root = etree.fromstring(said)
        accounts = [one.text for one in root.iter("{*}*") if one.text and "100001" in one.text]
        amounts = [one.text for one in root.iter("{*}*") if etree.QName(one).localname.lower().endswith("amount")]
        assert (accounts, amounts) == ([SMUGGLED], ["5475.50"])
    assert text(body_of(LwbPostpaid(Terms("https://biller.test", {})).pay(payment).request.body), "AccountNumber") == SMUGGLED
    refused("in both dialects it is one element's text, escaped")


@pytest.mark.attack("xml-injection")
@pytest.mark.parametrize("account", ["1\x00", "1\x0b", "1\ufffe", "\ud800"])
def test_a_character_that_no_xml_can_carry_is_refused_in_words(account: str, refused: Refused) -> None:
    with pytest.raises(BadInput, match="cannot be sent"):
        LwbPostpaid(Terms("https://biller.test", {})).pay(Payment("P-1", account, Money.parse("1.00")))
    refused("a character that XML has no way to say is refused before anything is sent")
