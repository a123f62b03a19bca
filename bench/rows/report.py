"""What a run found, as figures beside their targets, as a table, and beside the run before it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

# At ten times the rows nothing may take more than so many times as long, or so many milliseconds more.
TIMES, MORE_MS = 3.0, 5.0

# Whatever the middle is, nobody should ever wait longer than that for the database.
NO_RUN_OVER_MS = 1_000.0

# Another run of the same on the same machine differs by as much as that.
NOISE = 1.25


# How pages are used, and whether that is judged.
SESSIONS = {
    "alone": ("rerun, 1 session, each time at another address", True),
    "together": ("rerun, 50 sessions, each at an address of its own", True),
    "elsewhere": ("rerun, 50 sessions, each time at another address", False),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one size, and what it may be at most; None: told beside the others."""

    group: str
    name: str
    value: float
    target: float | None
    unit: str = "ms"
    beside: str = ""
    # What it misses besides target and growth.
    missed: tuple[str, ...] = ()


def figures(found: Mapping[str, Any]) -> Iterator[Figure]:
    """Those of one size. Of questions the median is judged, which the targets are of: the 95th percentile of twenty runs is the one that was disturbed most.
    One run that takes longer than anybody should wait is missed all the same. Of pages the 95th percentile is judged: everybody's page, not the average one.
    """
    for one in found.get("questions", ()):
        beside = f"p95 {one['p95']:.1f}, longest {one['max']:.1f}, {one['statements']} statements" + (f", cold {one['cold']:.0f}" if "cold" in one else "")
        beside += f", {one['broken_off']} broken off" if one.get("broken_off") else ""
        too_long = ("one run",) if one["max"] > NO_RUN_OVER_MS or one.get("broken_off") else ()
        yield Figure(one["group"], one["name"], one["p50"], one["target_ms"], beside=beside, missed=too_long)
    for one in found.get("pages", ()):
        for how, (what, is_judged) in SESSIONS.items():
            seen = one[how]
            wrong = f"; {len(seen['errors'])} errors: {seen['errors'][0][:60]}" if seen["errors"] else ""
            beside = f"p50 {seen['p50']:.1f}, {seen['cpu_ms']} ms of the console's CPU each, {seen['runs']} runs{wrong}"
            yield Figure(what, one["name"], seen["p95"], one["target_ms"] if is_judged else None, beside=beside)
    if export := found.get("export"):
        seconds = export["seconds"]
        beside = f"{export['rows']:,} rows; " + ", ".join(f"{name} {taken} s" for name, taken in seconds.items())
        yield Figure("export", "CSV against \\copy of the same rows", export["times"], export["target_times"], "times", beside)
        yield Figure("export", "memory beside it", export["more_mb"], export["target_more_mb"], "MB", f"{export['mb']} MB in all")
    if live := found.get("live"):
        beside = f"p50 {live['p50']:.0f}, longest {live['max']:.0f} of {live['changes']}"
        yield Figure("live", "change to screen, p99, 50 windows open", live["p99"], live["target_ms"], beside=beside)
    for part, why in found.get("failed", {}).items():
        yield Figure("could not be measured", part, 1, 0, "", why)
    if memory := found.get("memory"):
        yield Figure("memory", "the console at its peak", memory["console_peak_mb"], None, "MB")
        yield Figure("memory", "the database's server at its peak", memory["server_peak_mb"], None, "MB")
    yield Figure("database", "on disk", found["database"]["bytes"] / 10**9, None, "GB", f"{found['database']['rows']:,} transactions")


def condensed(found: Sequence[Figure]) -> list[Figure]:
    """Of the four orders of one filter the slowest, which is named beside it, or one of which a run was too long: all of them are in the file."""
    slowest: dict[tuple[str, str], Figure] = {}
    for one in found:
        name, _, order = one.name.rpartition(", ")
        if order.endswith(" first"):
            one = replace(one, name=name, beside=f"{order}: {one.beside}")
        key = (one.group, one.name)
        other = slowest.get(key)
        if other is None or (bool(one.missed), one.value) > (bool(other.missed), other.value):
            slowest[key] = one
    groups = list(dict.fromkeys(group for group, _ in slowest))
    return sorted(slowest.values(), key=lambda one: groups.index(one.group))


def judged(small: Sequence[Figure], large: Sequence[Figure]) -> list[dict[str, Any]]:
    """Figure by figure at both sizes: met, and no more than three times (or 5 ms) over the smaller."""
    before = {(one.group, one.name): one for one in small}
    rows = []
    for one in large:
        other = before.get((one.group, one.name))
        ratio = one.value / other.value if other and other.value else None
        grew = other is not None and one.unit == "ms" and one.target is not None and one.value > other.value * TIMES and one.value > other.value + MORE_MS
        missed = [word for word, is_so in (("target", one.target is not None and one.value > one.target), ("growth", grew)) if is_so]
        missed += one.missed
        rows.append({**asdict(one), "small": other.value if other else None, "ratio": ratio, "missed": missed})
    return rows


def compared(rows: Sequence[dict[str, Any]], last: Mapping[str, Any] | None) -> None:
    """Each with what it was the last time."""
    values = {(one["group"], one["name"]): one["value"] for one in (last or {}).get("judged", ())}
    for one in rows:
        one["last"] = values.get((one["group"], one["name"]))


def text_of(rows: Sequence[dict[str, Any]], sizes: Sequence[int], notes: Sequence[str]) -> str:
    small, large = (f"{size / 10**6:g} M" for size in sizes)
    lines = [f"{'':52} {'target':>8} {small:>9} {large:>9} {'times':>6} {'last':>9}  "]
    group = None
    for one in rows:
        if one["group"] != group:
            group = one["group"]
            lines += ["", group]
        missed = f"MISSED ({', '.join(one['missed'])})" if one["missed"] else "met" if one["target"] is not None else ""
        cells = [_number(one["target"]), _number(one["small"]), _number(one["value"]), _number(one["ratio"]), _number(one["last"])]
        widths = (8, 9, 9, 6, 9)
        figures = " ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        lines.append(f"  {one['name'][:42]:42} {one['unit']:>7} {figures}  {missed:24} {one['beside']}{_change(one)}".rstrip())
    missed_ones = sum(bool(one["missed"]) for one in rows)
    lines += ["", f"{sum(one['target'] is not None for one in rows) - missed_ones} met, {missed_ones} missed", *notes]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 1_000 else f"{value:.1f}"


def _change(one: Mapping[str, Any]) -> str:
    if one["last"] and one["unit"] == "ms" and abs(one["value"] - one["last"]) > 1 and one["value"] > one["last"] * NOISE:
        return f"; {one['value'] / one['last']:.1f} times the last run"
    return ""
