"""XML as an enemy writes it, in what billers answer and in what we are made to send."""

from pathlib import Path

import pytest
from lxml import etree

from core.wire.letters import Unreadable
from core.wire.soap import parse
from tests.attacks.report import ControlFired, Refused


@pytest.mark.attack("xxe")
def test_an_answer_that_names_a_file_of_ours_reads_nothing(tmp_path: Path, control_fired: ControlFired, refused: Refused) -> None:
    (tmp_path / "keys").write_text("the vault's keys")
    answer = f'<!DOCTYPE a [<!ENTITY file SYSTEM "{(tmp_path / "keys").as_uri()}">]><a>&file;</a>'.encode()

    read = etree.fromstring(answer, etree.XMLParser(resolve_entities=True, load_dtd=True))
    assert read.text == "the vault's keys"
    control_fired("a parser that resolves entities read the file")

    with pytest.raises(Unreadable, match="document type"):
        parse(answer)
    refused("the answer is unreadable, and no file was opened")
