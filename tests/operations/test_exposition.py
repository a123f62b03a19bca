"""Figures in Prometheus' text format: whatever stands in a label, a line is a line, and a name that cannot be one is refused where it is made."""

import re
from decimal import Decimal

import pytest

from core.documents.exposition import Family, Histogram, Kind, Sample, counter, gauge, histogram, written


def test_a_family_is_its_meaning_its_kind_and_its_samples() -> None:
    told = written([counter("billers_calls_total", "Calls that were made.", [Sample(3, {"biller": "MASM", "kind": "payment"}), Sample(0, {"biller": "TNM"})])])
    assert told == (
        "# HELP billers_calls_total Calls that were made.\n"
        "# TYPE billers_calls_total counter\n"
        'billers_calls_total{biller="MASM",kind="payment"} 3\n'
        'billers_calls_total{biller="TNM"} 0\n'
    )


def test_numbers_are_written_out_whatever_they_are() -> None:
    values = (7, 0.25, 3.0, Decimal("1250000.50"), Decimal("1E+3"), 10**18)
    lines = written([gauge("billers_x", "X.", [Sample(value) for value in values])]).splitlines()[2:]
    assert [line.split(" ")[1] for line in lines] == ["7", "0.25", "3", "1250000.50", "1000", str(10**18)]


@pytest.mark.parametrize("value", ['a"b', "a\\b", 'x"} 1\nbillers_lost_total 0\n# ', "a\nb"])
def test_no_value_of_a_label_ends_its_quotes_or_begins_a_line(value: str) -> None:
    (line,) = written([gauge("billers_x", "X.", [Sample(1, {"biller": value})])]).splitlines()[2:]
    said = re.fullmatch(r'billers_x\{biller="((?:[^"\\\n]|\\["\\n])*)"\} 1', line)
    assert said is not None
    assert said[1].replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\") == value


def test_a_histogram_adds_up_and_ends_in_everything() -> None:
    told = written([histogram("billers_t_seconds", "T.", [Histogram({"biller": "MASM"}, {0.5: 2, 0.1: 1, 3.0: 0}, 4, 12.5)])]).splitlines()[2:]
    assert told == [
        'billers_t_seconds_bucket{biller="MASM",le="0.1"} 1',
        'billers_t_seconds_bucket{biller="MASM",le="0.5"} 3',
        'billers_t_seconds_bucket{biller="MASM",le="3"} 3',
        'billers_t_seconds_bucket{biller="MASM",le="+Inf"} 4',
        'billers_t_seconds_sum{biller="MASM"} 12.5',
        'billers_t_seconds_count{biller="MASM"} 4',
    ]


@pytest.mark.parametrize(
    ("name", "kind", "label"),
    [("Billers", Kind.GAUGE, "x"), ("billers-x", Kind.GAUGE, "x"), ("billers_x", Kind.COUNTER, "x"), ("x_total", Kind.GAUGE, "x"), ("x", Kind.GAUGE, "le x")],
)
def test_a_name_that_prometheus_would_refuse_is_refused_here(name: str, kind: Kind, label: str) -> None:
    with pytest.raises(ValueError, match=name):
        Family(name, kind, "X.", [Sample(1, {label: "y"})])


def test_of_what_there_is_nothing_to_say_nothing_is_said() -> None:
    assert written([gauge("billers_x", "X.", []), gauge("billers_y", "Y.", 0)]) == "# HELP billers_y Y.\n# TYPE billers_y gauge\nbillers_y 0\n"
