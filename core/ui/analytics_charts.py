"""The charts of a range. A point, a bar or a cell leads to the list it was counted from."""

import html
from collections.abc import Sequence
from datetime import datetime

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import clock
from core.repositories.filters import NO_REASON
from core.repositories.statistics import ENDED, AnswerTimes, FailureReason, Figures
from core.services.statistics import TARGET_ANSWER_SECONDS, TARGET_SUCCESS_RATE
from core.states import Status
from core.ui import figures
from core.ui.analytics_asked import HEATS, SPLITS, Wish
from core.ui.analytics_controls import KEYS, remember
from core.ui.analytics_told import Address, LeadsTo, Picture, Told, day_text
from core.ui.figure_words import NONE_YET, count, counted, percent, seconds, short_count
from core.ui.figures import AMBER, BLUE, SLATE, STATUSES, Series
from core.ui.pieces import TRANSACTIONS
from core.ui.words import STATUS_LOOKS, amount, zone

# Reasons beyond these are one bar: their order says nothing any more.
MOST_REASONS = 9

# A figure needs as much to stand beside another.
PAIR_PIXELS = 380

# A row that holds a heading and a choice.
ROW_PIXELS = 40

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def show(told: Told, wish: Wish) -> None:
    upper = st.columns([2, 1], gap="small")
    with upper[0]:
        _volume(told, wish.split)
    with upper[1]:
        _share(told)
    with _pair():
        _success(told)
        _value(told)
    _week(told, wish.heat)
    with _pair():
        _answers(told)
        _answers_over_time(told)
    _failures(told)


def _pair() -> DeltaGenerator:
    """Two beside each other, below each other where there is no room: of a grid no columns need be sent."""
    return st.grid(2, min_column_width=PAIR_PIXELS, gap="small")


def plot(picture: Picture, key: str) -> None:
    """A click on a point opens the list behind it."""
    if picture.leads_to is None:
        st.plotly_chart(picture.figure, key=key, config=figures.CONFIG, alt=picture.alt)
        return
    picked = st.plotly_chart(picture.figure, key=key, config=figures.CONFIG, alt=picture.alt, on_select="rerun", selection_mode="points")
    for point in picked.selection.points:
        place = point.get("point_index", point.get("point_number"))
        address = None if place is None else picture.leads_to(point.get("curve_number", 0), place)
        if address:
            st.switch_page(TRANSACTIONS, query_params=dict(address))


def heading(title: str, meaning: str) -> None:
    st.subheader(title, anchor=False, help=meaning)


# ---- Volume


def _volume(told: Told, split: str) -> None:
    with st.container(border=True, height="stretch"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader("Volume", anchor=False, width="content", help="How many payments were submitted in each step. A click on a point opens them.")
            st.segmented_control(
                "Told apart",
                SPLITS,
                format_func=SPLITS.__getitem__,
                key=KEYS["split"],
                required=True,
                label_visibility="collapsed",
                help="One line, or what each biller or status adds, one upon the other.",
                on_change=remember,
            )
        plot(told.picture("volume", split, draw=lambda: _draw_volume(told, split)), f"volume-{split}-{told.wish.address()}")


def _draw_volume(told: Told, split: str) -> Picture:
    shown, leads_to = {"biller": _volume_by_biller, "status": _volume_by_status}.get(split, _volume_altogether)(told)
    most = max(range(len(told.steps)), key=lambda place: told.course[place].payments)
    alt = f"Payments over time: {count(told.now.payments)} in all, most in {told.labels[most]}."
    return Picture(figures.over_time(told.labels, shown, stacked=split != "total", height=figures.TALL), alt, leads_to)


def _volume_altogether(told: Told) -> tuple[list[Series], LeadsTo]:
    lines = [counts(told, "Payments", BLUE, told.course)]
    if earlier := told.course_before:
        numbers = [one.payments for _, one in earlier]
        lines.append(Series("The time before", SLATE, numbers, _says(earlier, [count(number) for number in numbers]), dashed=True))
    return lines, lambda curve, place: told.list_of_step(place) if curve == 0 else None


def _volume_by_biller(told: Told) -> tuple[list[Series], LeadsTo]:
    codes = told.largest_first
    lines = [counts(told, told.title(code), told.colour(code), told.course_of(told.by_biller[code])) for code in codes]
    return lines, lambda curve, place: told.list_of_step(place, billers=(codes[curve],))


def _volume_by_status(told: Told) -> tuple[list[Series], LeadsTo]:
    statuses = [status for status in STATUSES if told.now.payments_by_status.get(status)]
    lines = []
    for status in statuses:
        numbers = [one.payments_by_status.get(status, 0) for one in told.course]
        lines.append(Series(STATUS_LOOKS[status].label, STATUSES[status], numbers, [count(number) for number in numbers]))
    return lines, lambda curve, place: told.list_of_step(place, statuses[curve].value)


def counts(told: Told, name: str, colour: str, course: Sequence[Figures]) -> Series:
    numbers = [one.payments for one in course]
    return Series(name, colour, numbers, [count(number) for number in numbers])


def _says(earlier: Sequence[tuple[datetime, Figures]], texts: Sequence[str]) -> list[str]:
    return [f"{text} ({day_text(clock.business_day(step, zone()))})" for text, (step, _) in zip(texts, earlier, strict=True)]


def _share(told: Told) -> None:
    with st.container(border=True, height="stretch"):
        # In a row, as the one beside it, which has a choice: so that both headings are level.
        with st.container(horizontal=True, vertical_alignment="center", height=ROW_PIXELS, border=False):
            meaning = "Which part of all payments each biller has. Success rates are below, as bars: they do not add up to a whole."
            st.subheader("Share of volume", anchor=False, width="content", help=meaning)
        if not told.largest_first:
            st.caption("No payment in this range.")
            return
        plot(told.picture("share", draw=lambda: _draw_share(told)), f"share-{told.wish.address()}")


def _draw_share(told: Told) -> Picture:
    codes = told.largest_first
    numbers = [told.by_biller[code].payments for code in codes]
    ring = figures.shares([told.title(code) for code in codes], numbers, [told.colour(code) for code in codes], f"{count(sum(numbers))}<br>payments")
    return Picture(ring, f"Share of volume by biller: {told.title(codes[0])} has most.", lambda _, place: told.list_of_all(billers=(codes[place],)))


# ---- Success and value


def _success(told: Told) -> None:
    with st.container(border=True, height="stretch"):
        heading(
            "Success rate by biller",
            f"Completed of completed, failed and reversed payments, with the counts; the line is the target of {TARGET_SUCCESS_RATE:.0%}."
            " Green reaches it, red does not. A click on a bar opens its payments.",
        )
        if not told.now.ended:
            st.caption("Nothing has ended in this range, so there is no rate yet.")
            return
        plot(told.picture("success", draw=lambda: _draw_success(told)), f"success-{told.wish.address()}")


def _draw_success(told: Told) -> Picture:
    apart = told.by_biller
    codes = sorted((code for code in told.largest_first if apart[code].ended), key=lambda code: -(apart[code].success_rate or 0))
    titles = [told.title(code) for code in codes]
    texts = [f"{percent(apart[code].success_rate)} · {count(apart[code].completed)}/{count(apart[code].ended)}" for code in codes]
    bars = figures.rates(titles, [apart[code].success_rate or 0 for code in codes], texts)
    said = "; ".join(f"{title} {text}" for title, text in zip(titles, texts, strict=True))
    ended = [status.value for status in ENDED]
    return Picture(bars, f"Success rate by biller: {said}.", lambda _, place: told.list_of_all(*ended, billers=(codes[place],)))


def _value(told: Told) -> None:
    with st.container(border=True, height="stretch"):
        heading("Revenue (value paid)", "The sum of completed payments in each step, in kwacha. A click on a bar opens them.")
        plot(told.picture("value", draw=lambda: _draw_value(told)), f"value-{told.wish.address()}")


def _draw_value(told: Told) -> Picture:
    sums = [one.value for one in told.course]
    shown = [Series("Value", BLUE, [float(one) for one in sums], [amount(one) for one in sums])]
    if earlier := told.course_before:
        values = [one.value for _, one in earlier]
        shown.append(Series("The time before", SLATE, [float(one) for one in values], _says(earlier, [amount(one) for one in values]), dashed=True))
    return Picture(
        figures.bars_over_time(told.labels, shown, "MWK"),
        f"Value paid over time, {amount(told.now.value)} in all.",
        lambda curve, place: told.list_of_step(place, Status.COMPLETED.value) if curve == 0 else None,
    )


# ---- The hours of the week


def _week(told: Told, measure: str) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader(
                "The week by the hour",
                anchor=False,
                width="content",
                help="All weeks of the range laid over each other, in the bank's time: how many payments were submitted in each hour, or how many of those"
                " that ended had failed. An empty field: nothing happened. A click on a field opens its payments.",
            )
            st.segmented_control(
                "Coloured by", HEATS, format_func=HEATS.__getitem__, key=KEYS["heat"], required=True, label_visibility="collapsed", on_change=remember
            )
        plot(told.picture("week", measure, draw=lambda: _draw_week(told, measure)), f"week-{measure}-{told.wish.address()}")


def _draw_week(told: Told, measure: str) -> Picture:
    of_failures = measure == "failed"
    found = {place: one for place, one in told.counted.heat.items() if one.payments}
    values: list[list[float | None]] = [[None] * 24 for _ in WEEKDAYS]
    texts, says = [[""] * 24 for _ in WEEKDAYS], [[""] * 24 for _ in WEEKDAYS]
    for day, name in enumerate(WEEKDAYS):
        for hour in range(24):
            one = found.get((day, hour))
            when = f"{name}, {hour:02}:00 to {(hour + 1) % 24:02}:00"
            says[day][hour] = f"{when}<br>{_hour_says(one) if one else 'no payment'}"
            if one and of_failures and one.ended:
                share = failed_share(one)
                values[day][hour], texts[day][hour] = 100 * share, f"{100 * share:.0f}%"
            elif one and not of_failures:
                values[day][hour], texts[day][hour] = one.payments, short_count(one.payments)
    field = figures.week([name[:3] for name in WEEKDAYS], values, texts, says, of_failures=of_failures)
    statuses = (Status.FAILED.value,) if of_failures else ()
    return Picture(
        field,
        f"{HEATS[measure]} by weekday and hour{_busiest(found)}.",
        lambda _, place: told.list_of_hour(place // 24, place % 24, *statuses),
    )


def failed_share(one: Figures) -> float:
    """Of what ended, the part that failed: 0 to 1."""
    return one.payments_by_status.get(Status.FAILED, 0) / one.ended if one.ended else 0.0


def _hour_says(one: Figures) -> str:
    failed = one.payments_by_status.get(Status.FAILED, 0)
    return f"{counted(one.payments, 'payment')}, {count(failed)} of {count(one.ended)} that ended had failed<br>{amount(one.value)}"


def _busiest(found: dict[tuple[int, int], Figures]) -> str:
    if not found:
        return ""
    day, hour = max(found, key=lambda place: found[place].payments)
    return f": most payments on {WEEKDAYS[day]} from {hour:02}:00"


# ---- Answer times


def _answers(told: Told) -> None:
    with st.container(border=True, height="stretch"):
        heading(
            "Answer time by biller",
            f"Within which time half, and 95 of 100, of the calls that pay were answered. The target is {TARGET_ANSWER_SECONDS} s on average."
            " A call without an answer counts with the time that was waited. A click on a bar opens the biller's payments.",
        )
        if not told.times.by_biller:
            st.caption("No biller was called to pay in this range.")
            return
        plot(told.picture("answers", draw=lambda: _draw_answers(told)), f"answers-{told.wish.address()}")


def _draw_answers(told: Told) -> Picture:
    codes = [code for code in (*told.largest_first, *sorted(told.times.by_biller)) if code in told.times.by_biller]
    codes = list(dict.fromkeys(codes))
    times = [told.times.by_biller[code] for code in codes]
    bars = figures.answer_times(
        [told.title(code) for code in codes],
        [one.median_ms / 1000 for one in times],
        [one.p95_ms / 1000 for one in times],
        [_times_say(one) for one in times],
    )
    return Picture(bars, "Answer time by biller: median and 95th percentile.", lambda _, place: told.list_of_all(billers=(codes[place],)))


def _answers_over_time(told: Told) -> None:
    with st.container(border=True, height="stretch"):
        heading(
            "Answer time over time",
            f"The same for all billers together, step by step; the line is the target of {TARGET_ANSWER_SECONDS} s on average."
            " A gap: no call that pays. A click on a point opens the payments of its step.",
        )
        if not told.times.by_step:
            st.caption("No biller was called to pay in this range.")
            return
        plot(told.picture("answers-over-time", draw=lambda: _draw_answers_over_time(told)), f"answers-over-time-{told.wish.address()}")


def _draw_answers_over_time(told: Told) -> Picture:
    course = [told.times.by_step.get(step) for step in told.steps]
    says = [_times_say(one) if one else NONE_YET for one in course]
    lines = [
        Series("95 of 100 within", AMBER, [one.p95_ms / 1000 if one else None for one in course], says),
        Series("Half within", BLUE, [one.median_ms / 1000 if one else None for one in course], says),
    ]
    picture = figures.over_time(told.labels, lines, suffix=" s", target=(TARGET_ANSWER_SECONDS, f"target {TARGET_ANSWER_SECONDS} s"))
    slowest = max((one.p95_ms for one in course if one), default=0)
    return Picture(picture, f"Answer time over time; the 95th percentile at most {seconds(slowest)}.", lambda _, place: told.list_of_step(place))


def _times_say(one: AnswerTimes) -> str:
    return f"half in {seconds(one.median_ms)}, 95% in {seconds(one.p95_ms)}, average {seconds(one.average_ms)}<br>{counted(one.calls, 'call')}"


# ---- Failures


def _failures(told: Told) -> None:
    with st.container(border=True, height="stretch"):
        heading(
            "Why payments failed",
            "The billers' own codes, and our names for what went wrong on the way, the most frequent first; the line is what they come to together."
            " A click on a bar opens the payments that failed so.",
        )
        if not told.counted.reasons:
            st.caption(":material/check_circle: No payment failed in this range.")
            return
        plot(told.picture("failures", draw=lambda: _draw_failures(told)), f"failures-{told.wish.address()}")


def _draw_failures(told: Told) -> Picture:
    codes: dict[str, list[FailureReason]] = {}
    for reason in told.counted.reasons:
        codes.setdefault(reason.code or "no code", []).append(reason)
    ordered = sorted(codes, key=lambda code: -_sum(codes[code]))
    groups = [(code, codes[code]) for code in ordered[:MOST_REASONS]]
    if others := [reason for code in ordered[MOST_REASONS:] for reason in codes[code]]:
        groups.append((counted(len(ordered) - MOST_REASONS, "other"), others))

    def leads_to(_: int, place: int) -> Address:
        return told.list_of_all(Status.FAILED.value, reasons=list(dict.fromkeys(reason.code or NO_REASON for reason in groups[place][1])))

    says = [_reason_text(told, code, found) for code, found in groups]
    return Picture(
        figures.pareto([_spoken(code) for code, _ in groups], [_sum(found) for _, found in groups], says),
        f"Failure reasons, most often {_spoken(ordered[0])}, {count(_sum(codes[ordered[0]]))} of {count(_sum(told.counted.reasons))}.",
        leads_to,
    )


def _sum(found: Sequence[FailureReason]) -> int:
    return sum(reason.count for reason in found)


def _spoken(code: str) -> str:
    """Our own names in words; a biller's code as the biller has it."""
    return code.replace("_", " ") if code.islower() else code


def _reason_text(told: Told, code: str, found: Sequence[FailureReason]) -> str:
    lines = [f"{told.title(reason.biller)}: {count(reason.count)}" for reason in found[:MOST_REASONS]]
    said = next((reason.message for reason in found if reason.message), "")
    return "<br>".join([f"<b>{html.escape(_spoken(code))}</b> {html.escape(said)}", counted(_sum(found), "payment"), *map(html.escape, lines)])
