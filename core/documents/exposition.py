"""Figures in the form that Prometheus reads (text format 0.0.4): families of samples, each with what it means.

It knows the form and nothing of what is measured: names that cannot be are refused where they are made, and no value of a label can begin a line of its own.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_NAME = re.compile(r"[a-z][a-z0-9_]*")

Number = int | float | Decimal


class Kind(Enum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Sample:
    """One line. `suffix` is a histogram's `_bucket`, `_sum` or `_count`."""

    value: Number
    labels: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """One figure, and what it is told apart by. A counter's name ends in `_total`, and a unit is a base unit: seconds, bytes."""

    name: str
    kind: Kind
    help: str
    samples: Sequence[Sample]

    def __post_init__(self) -> None:
        labels = {label for sample in self.samples for label in sample.labels}
        if not all(_NAME.fullmatch(name) for name in (self.name, *labels)):
            raise ValueError(f"{self.name} or one of its labels cannot be called so: {sorted(labels)}")
        if (self.kind is Kind.COUNTER) != self.name.endswith("_total"):
            raise ValueError(f"{self.name}: a counter ends in _total, and nothing else does.")


def counter(name: str, meaning: str, samples: Iterable[Sample]) -> Family:
    """What only ever grows."""
    return Family(name, Kind.COUNTER, meaning, list(samples))


def gauge(name: str, meaning: str, samples: Iterable[Sample] | Number) -> Family:
    """How it stands just now; a bare number where nothing is told apart."""
    return Family(name, Kind.GAUGE, meaning, [Sample(samples)] if isinstance(samples, int | float | Decimal) else list(samples))


@dataclass(frozen=True, slots=True)
class Histogram:
    """Measurements of one kind: how many were at most each bound, how many there were, and what they come to."""

    labels: Mapping[str, str]
    # By upper bound, ascending; not cumulative yet.
    within: Mapping[float, int]
    count: int
    total: Number


def histogram(name: str, meaning: str, measured: Iterable[Histogram]) -> Family:
    samples: list[Sample] = []
    for one in measured:
        up_to = 0
        for bound, count in sorted(one.within.items()):
            up_to += count
            samples.append(Sample(up_to, {**one.labels, "le": _number(bound)}, "_bucket"))
        samples.append(Sample(one.count, {**one.labels, "le": "+Inf"}, "_bucket"))
        samples += [Sample(one.total, one.labels, "_sum"), Sample(one.count, one.labels, "_count")]
    return Family(name, Kind.HISTOGRAM, meaning, samples)


def written(families: Iterable[Family]) -> str:
    """All of them as one page. One of which there is nothing to say is left out."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        lines.append(f"# HELP {family.name} {_escaped(family.help)}")
        lines.append(f"# TYPE {family.name} {family.kind.value}")
        lines += [f"{family.name}{sample.suffix}{_labels(sample.labels)} {_number(sample.value)}" for sample in family.samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value, quoted=True)}"' for name, value in labels.items()) + "}"


def _escaped(words: str, *, quoted: bool = False) -> str:
    escaped = words.replace("\\", "\\\\").replace("\n", "\\n")
    return escaped.replace('"', '\\"') if quoted else escaped


def _number(value: Number) -> str:
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() else repr(value)
    return format(value, "f") if isinstance(value, Decimal) else str(value)
