"""The charts of a range. A point or a bar leads to the list it was counted from."""

import html
from collections.abc import Sequence

import streamlit as st

from core import clock
from core.access import Actor
from core.repositories.filters import NO_REASON
from core.repositories.statistics import ENDED, FailureReason, Figures, Grain
from core.services import statistics
from core.services.statistics import TARGET_ANSWER_SECONDS, TARGET_SUCCESS_RATE
from core.states import Status
from core.ui import figures
from core.ui.analytics_asked import SPLITS
from core.ui.analytics_controls import KEYS, remember
from core.ui.analytics_told import Address, Told, day_text, step_label
from core.ui.figure_words import count, counted, percent, seconds
from core.ui.figures import BLUE, SLATE, STATUSES, Figure, Series
from core.ui.pieces import TRANSACTIONS
from core.ui.words import STATUS_LOOKS, amount, zone

# Reasons beyond these are one bar: their order says nothing any more.
MOST_REASONS = 9

# A row that holds a heading and a choice.
ROW_PIXELS = 40


def show(actor: Actor, told: Told) -> None:
    upper = st.columns([2, 1], gap="small")
    with upper[0]:
        _volume(told)
    with upper[1]:
        _share(told)
    lower = st.columns(2, gap="small")
    with lower[0]:
        _success(told)
    with lower[1]:
        _value(told)
    last = st.columns(2, gap="small")
    with last[0]:
        _failures(statistics.failure_reasons(actor, told.wish.wanted(told.period, zone())), told)
    with last[1]:
        _answers(told)


def plot(figure: Figure, key: str, alt: str, leads_to: Sequence[Sequence[Address]] = ()) -> None:
    """`leads_to` has for each set of points the list behind each of them: a click opens it."""
    if not leads_to:
        st.plotly_chart(figure, key=key, config=figures.CONFIG, alt=alt)
        return
    picked = st.plotly_chart(figure, key=key, config=figures.CONFIG, alt=alt, on_select="rerun", selection_mode="points")
    for point in picked.selection.points:
        curve, place = point.get("curve_number", 0), point.get("point_index", point.get("point_number"))
        if curve < len(leads_to) and place is not None and place < len(leads_to[curve]):
            st.switch_page(TRANSACTIONS, query_params=dict(leads_to[curve][place]))


def heading(title: str, meaning: str) -> None:
    # In a row of its own, as where a choice stands beside it: so that headings of one row of figures are level.
    with st.container(horizontal=True, vertical_alignment="center", height=ROW_PIXELS, border=False):
        st.subheader(title, anchor=False, width="content", help=meaning)


def _volume(told: Told) -> None:
    split = told.wish.split
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
        shown, leads = _volume_series(told)
        most = max(told.steps, key=lambda step: told.now.by_step()[step].payments if step in told.now.by_step() else 0)
        alt = f"Payments over time: {count(told.now.payments)} in all, most in {step_label(most, told.wish.grain, told.period)}."
        plot(figures.over_time(told.labels, shown, stacked=split != "total", height=figures.TALL), f"volume-{told.wish.address()}", alt, leads)


def _volume_series(told: Told) -> tuple[list[Series], list[list[Address]]]:
    if told.wish.split == "biller":
        apart = told.now.by_biller()
        codes = told.largest_first
        lines = [counts(told, told.title(code), told.colour(code), apart[code]) for code in codes]
        return lines, [[told.list_of_step(step, billers=(code,)) for step in told.steps] for code in codes]
    if told.wish.split == "status":
        statuses = [status for status in STATUSES if told.now.payments_by_status.get(status)]
        by_step = told.now.by_step()
        lines = []
        for status in statuses:
            numbers = [by_step[step].payments_by_status.get(status, 0) if step in by_step else 0 for step in told.steps]
            lines.append(Series(STATUS_LOOKS[status].label, STATUSES[status], numbers, [count(number) for number in numbers]))
        return lines, [[told.list_of_step(step, status.value) for step in told.steps] for status in statuses]
    lines = [counts(told, "Payments", BLUE, told.now)]
    if earlier := _before(told):
        numbers = [one.payments if one else 0 for one in earlier]
        lines.append(Series("The time before", SLATE, numbers, _says(told, [count(number) for number in numbers]), dashed=True))
    return lines, [[told.list_of_step(step) for step in told.steps]]


def counts(told: Told, name: str, colour: str, counted_apart: Figures) -> Series:
    by_step = counted_apart.by_step()
    numbers = [by_step[step].payments if step in by_step else 0 for step in told.steps]
    return Series(name, colour, numbers, [count(number) for number in numbers])


def _before(told: Told) -> list[Figures | None]:
    """The time before, day for day beside these. Weeks and months begin elsewhere in it, and would be compared with parts of themselves."""
    if told.before is None or told.wish.grain is not Grain.DAY:
        return []
    by_step = told.before.by_step()
    return [by_step.get(step) for step in told.before_steps[: len(told.steps)]]


def _says(told: Told, texts: Sequence[str]) -> list[str]:
    return [f"{text} ({day_text(clock.business_day(step, zone()))})" for text, step in zip(texts, told.before_steps, strict=False)]


def _share(told: Told) -> None:
    with st.container(border=True, height="stretch"):
        heading("Share of volume", "Which part of all payments each biller has. Success rates are below, as bars: they do not add up to a whole.")
        codes, apart = told.largest_first, told.now.by_biller()
        if not codes:
            st.caption("No payment in this range.")
            return
        numbers = [apart[code].payments for code in codes]
        ring = figures.shares([told.title(code) for code in codes], numbers, [told.colour(code) for code in codes], f"{count(sum(numbers))}<br>payments")
        plot(ring, f"share-{told.wish.address()}", f"Share of volume by biller: {told.title(codes[0])} has most.")


def _success(told: Told) -> None:
    with st.container(border=True, height="stretch"):
        heading(
            "Success rate by biller",
            f"Completed of completed, failed and reversed payments, with the counts; the line is the target of {TARGET_SUCCESS_RATE:.0%}."
            " Green reaches it, red does not. A click on a bar opens its payments.",
        )
        apart = told.now.by_biller()
        codes = sorted((code for code in told.largest_first if apart[code].ended), key=lambda code: -(apart[code].success_rate or 0))
        if not codes:
            st.caption("Nothing has ended in this range, so there is no rate yet.")
            return
        texts = [f"{percent(apart[code].success_rate)} · {count(apart[code].completed)}/{count(apart[code].ended)}" for code in codes]
        bars = figures.rates([told.title(code) for code in codes], [apart[code].success_rate or 0 for code in codes], texts)
        leads = [[told.list_of_all(*(status.value for status in ENDED), billers=(code,)) for code in codes]]
        plot(
            bars,
            f"success-{told.wish.address()}",
            f"Success rate by biller: {'; '.join(map(' '.join, zip(map(told.title, codes), texts, strict=True)))}.",
            leads,
        )


def _value(told: Told) -> None:
    with st.container(border=True, height="stretch"):
        heading("Revenue (value paid)", "The sum of completed payments in each step, in kwacha. A click on a bar opens them.")
        by_step = told.now.by_step()
        sums = [by_step[step].value if step in by_step else None for step in told.steps]
        shown = [
            Series(
                "Value", BLUE, [float(one) if one else 0.0 for one in sums], [amount(one) if one else amount(told.now.value - told.now.value) for one in sums]
            )
        ]
        if earlier := _before(told):
            values = [one.value if one else None for one in earlier]
            texts = [amount(one) for one in values]
            shown.append(Series("The time before", SLATE, [float(one) if one else 0.0 for one in values], _says(told, texts), dashed=True))
        leads = [[told.list_of_step(step, Status.COMPLETED.value) for step in told.steps]]
        plot(
            figures.bars_over_time(told.labels, shown, "MWK"), f"value-{told.wish.address()}", f"Value paid over time, {amount(told.now.value)} in all.", leads
        )


def _failures(reasons: Sequence[FailureReason], told: Told) -> None:
    with st.container(border=True, height="stretch"):
        heading(
            "Why payments failed",
            "The billers' own codes, and our names for what went wrong on the way, the most frequent first; the line is what they come to together."
            " A click on a bar opens the payments that failed so.",
        )
        if not reasons:
            st.caption(":material/check_circle: No payment failed in this range.")
            return
        codes: dict[str, list[FailureReason]] = {}
        for reason in reasons:
            codes.setdefault(reason.code or "no code", []).append(reason)
        ordered = sorted(codes, key=lambda code: -_sum(codes[code]))
        groups = [(code, codes[code]) for code in ordered[:MOST_REASONS]]
        if others := [reason for code in ordered[MOST_REASONS:] for reason in codes[code]]:
            groups.append((counted(len(ordered) - MOST_REASONS, "other"), others))
        says = [_reason_text(told, code, found) for code, found in groups]
        leads = [told.list_of_all(Status.FAILED.value, reasons=list(dict.fromkeys(reason.code or NO_REASON for reason in found))) for _, found in groups]
        picture = figures.pareto(
            [_spoken(code) for code, _ in groups], [_sum(found) for _, found in groups], says, figures.tall(1.5 * len(told.times.by_biller))
        )
        plot(picture, f"failures-{told.wish.address()}", f"Failure reasons, most often {ordered[0]}.", [leads, leads])


def _sum(found: Sequence[FailureReason]) -> int:
    return sum(reason.count for reason in found)


def _spoken(code: str) -> str:
    """Our own names in words; a biller's code as the biller has it."""
    return code.replace("_", " ") if code.islower() else code


def _reason_text(told: Told, code: str, found: Sequence[FailureReason]) -> str:
    lines = [f"{told.title(reason.biller)}: {count(reason.count)}" for reason in found[:MOST_REASONS]]
    said = next((reason.message for reason in found if reason.message), "")
    return "<br>".join([f"<b>{html.escape(_spoken(code))}</b> {html.escape(said)}", counted(_sum(found), "payment"), *map(html.escape, lines)])


def _answers(told: Told) -> None:
    with st.container(border=True, height="stretch"):
        heading(
            "Answer time by biller",
            f"Within which time half, and 95 of 100, of the calls that pay were answered. The target is {TARGET_ANSWER_SECONDS} s on average."
            " A call without an answer counts with the time that was waited.",
        )
        codes = [code for code in told.largest_first if code in told.times.by_biller]
        if not codes:
            st.caption("No biller was called to pay in this range.")
            return
        times = [told.times.by_biller[code] for code in codes]
        says = [
            f"half in {seconds(one.median_ms)}, 95% in {seconds(one.p95_ms)}, average {seconds(one.average_ms)}<br>{counted(one.calls, 'call')}"
            for one in times
        ]
        bars = figures.answer_times([told.title(code) for code in codes], [one.median_ms / 1000 for one in times], [one.p95_ms / 1000 for one in times], says)
        leads = [told.list_of_all(billers=(code,)) for code in codes]
        plot(bars, f"answers-{told.wish.address()}", "Answer time by biller: median and 95th percentile.", [leads, leads])
