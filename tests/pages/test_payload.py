"""Masked messages as people read them: indented if that is safe, untouched if it is not."""

import pytest

from core.ui.payload import readable

HEAD = "HTTP/1.1 200\ncontent-type: text/xml"


def test_xml_is_indented_below_its_head() -> None:
    assert readable(f'{HEAD}\n\n<?xml version="1.0"?><a><b>1</b></a>') == f'{HEAD}\n\n<?xml version="1.0"?>\n<a>\n  <b>1</b>\n</a>'


def test_json_is_indented() -> None:
    assert readable(f'{HEAD}\n\n{{"pin":"***"}}') == f'{HEAD}\n\n{{\n  "pin": "***"\n}}'


@pytest.mark.parametrize(
    "body",
    [
        "<a><b>1</b>",
        '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
        "<html><p>Login</html>",
        "{not json",
        "plain words",
        "[cut: 99999 characters in all]",
        "<a>" * 200 + "</a>" * 200,
    ],
)
def test_what_is_not_well_formed_is_shown_as_it_came(body: str) -> None:
    assert readable(f"{HEAD}\n\n{body}") == f"{HEAD}\n\n{body}"


def test_a_message_without_a_body_is_its_head() -> None:
    assert readable("POST /soap") == "POST /soap"
