"""Analytics: a range of days in figures, billers beside each other, and the report of a day, a week or a month. Every bar opens the list behind it."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

import streamlit as st

from core import clock
from core.access import Actor
from core.repositories.filters import NO_REASON, TransactionFilter
from core.repositories.statistics import ENDED, AnswerTimesBy, FailureReason, Figures, Grain
from core.services import periods, statistics
from core.services.periods import Period
from core.services.statistics import TARGET_ANSWER_SECONDS, TARGET_SUCCESS_RATE
from core.states import Status, TransactionType
from core.ui import figure_tables, figures
from core.ui.analytics_asked import GRAINS, LONGEST_DAYS, MEASURES, RANGES, SPLITS, Wish, read_wish, with_days
from core.ui.attention import LOOKUP_TYPES, PAYMENT_TYPES
from core.ui.figure_words import change, count, counted, percent, points, seconds, short_amount, tenths
from core.ui.figures import BLUE, SLATE, STATUSES, Figure, Series
from core.ui.filters import Asked
from core.ui.pieces import LOOKUP, PAYMENT, TRANSACTIONS, complain
from core.ui.tiles import tile
from core.ui.words import STATUS_LOOKS, TYPE_LABELS, amount, as_of, plain, zone

# Each widget's key, by the part of the wish it shows.
KEYS = {
    **{name: f"analytics-{name}" for name in ("range", "first_day", "last_day", "grain", "billers", "types", "compares", "split")},
    **{name: f"analytics-{name}" for name in ("versus", "measure", "report", "report_day")},
}
GRAIN_LABELS: Mapping[Grain, str] = {Grain.DAY: "Day", Grain.WEEK: "Week", Grain.MONTH: "Month"}
REPORT_LABELS: Mapping[Grain, str] = {Grain.DAY: "Daily", Grain.WEEK: "Weekly", Grain.MONTH: "Monthly"}

# The tiles of one status each: label, icon, which direction is good, and what it means.
STATUS_TILES = (
    ("Failed", Status.FAILED, ":material/cancel:", "inverse", "Payments proven not to have moved money."),
    ("In doubt", Status.PROCESSING, ":material/sync_problem:", "inverse", "Payments sent or perhaps sent, and not settled; by the day they were submitted."),
    ("Reversed", Status.REVERSED, ":material/undo:", "off", "Payments taken back. They count as ended, not as paid."),
)

# Where a clicked row of a table is kept.
PERFORMANCE_OPENED, REPORT_OPENED = "analytics-biller", "analytics-report-biller"

# Reasons beyond these are one bar: their order says nothing any more.
MOST_REASONS = 9

# A row that holds a heading and a choice.
ROW_PIXELS = 40

# Without a choice, so many of the largest billers are compared.
COMPARED = 2

Address = Mapping[str, Any]


@dataclass(frozen=True)
class Told:
    """What was counted for the range, and what every section needs to show it."""

    wish: Wish
    period: Period
    titles: Mapping[str, str]
    now: Figures
    before: Figures | None
    before_steps: Sequence[datetime]
    times: AnswerTimesBy
    times_before: AnswerTimesBy | None
    as_of: datetime

    @cached_property
    def steps(self) -> Sequence[datetime]:
        return [step for step in periods.steps(self.period.first_day, self.period.last_day, self.wish.grain, zone()) if step <= self.as_of]

    @cached_property
    def labels(self) -> Sequence[str]:
        return [step_label(step, self.wish.grain, self.period) for step in self.steps]

    @cached_property
    def largest_first(self) -> Sequence[str]:
        """The billers that were paid, those with most payments first."""
        found = {code: one.payments for code, one in self.now.by_biller().items() if one.payments}
        return sorted(found, key=lambda code: (-found[code], self.title(code)))

    def title(self, code: str) -> str:
        return self.titles.get(code, code)

    def colour(self, code: str) -> str:
        """The same in each figure, whatever the filter leaves."""
        place = list(self.titles).index(code) if code in self.titles else 0
        return figures.BILLERS[place % len(figures.BILLERS)]

    def list_of_step(self, step: datetime, *statuses: str, billers: Sequence[str] = ()) -> Address:
        first, last = periods.days_of(step, self.wish.grain, (self.period.first_day, self.period.last_day), zone())
        return self.wish.list_address(first, last, *statuses, billers=billers)

    def list_of_all(self, *statuses: str, billers: Sequence[str] = (), reasons: Sequence[str] = ()) -> Address:
        return self.wish.list_address(self.period.first_day, self.period.last_day, *statuses, billers=billers, reasons=reasons)


def show(actor: Actor) -> None:
    titles = statistics.biller_titles(actor)
    wish = with_days(read_wish({name: st.query_params.get_all(name) for name in st.query_params}, titles), clock.now(), zone())
    _controls(wish, titles)
    if complaint := wish.contradiction():
        st.warning(complaint, icon=":material/event_busy:")
        return
    with st.skeleton(height=900):
        told = _count(actor, wish, titles)
        _head(told)
        if not told.now.rows:
            _nothing(actor, told)
        else:
            _tiles(told)
            _charts(actor, told)
            _performance(told)
            _comparison(told)
        _report(actor, told)


def _count(actor: Actor, wish: Wish, titles: Mapping[str, str]) -> Told:
    now = clock.now()
    period = wish.period(now, zone())
    wanted, earlier = wish.wanted(period, zone()), wish.before(period)
    first = clock.business_day(period.before[0], zone())
    return Told(
        wish=wish,
        period=period,
        titles=titles,
        now=statistics.over_time(actor, wanted, wish.grain),
        before=statistics.over_time(actor, earlier, wish.grain) if wish.compares else None,
        before_steps=periods.steps(first, first + timedelta(days=period.days - 1), wish.grain, zone()),
        times=statistics.answer_times(actor, wanted, wish.grain),
        times_before=statistics.answer_times(actor, earlier) if wish.compares else None,
        as_of=now,
    )


# ---- What is asked for


def _controls(wish: Wish, titles: Mapping[str, str]) -> None:
    """Each widget shows what the address says, and writes there what is chosen."""
    for name in KEYS:
        value = getattr(wish, name)
        value = list(value) if isinstance(value, tuple) else value
        if st.session_state.get(KEYS[name]) != value:
            st.session_state[KEYS[name]] = value
    st.title("Analytics", anchor=False)
    changed: dict[str, Any] = {"on_change": _remember}
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.segmented_control(
                "Range",
                RANGES,
                format_func=lambda one: RANGES[one][0],
                key=KEYS["range"],
                required=True,
                help=f"Business days in {zone().key}; today is the last of the ready-made ranges.",
                **changed,
            )
            if wish.range == "custom":
                with st.container(horizontal=True, width="content"):
                    for name, label in (("first_day", "From"), ("last_day", "To")):
                        st.date_input(
                            label, value=None, key=KEYS[name], format="DD/MM/YYYY", width=150, help=f"Included. At most {LONGEST_DAYS} days.", **changed
                        )
            st.segmented_control(
                "Steps",
                GRAINS,
                format_func=GRAIN_LABELS.__getitem__,
                key=KEYS["grain"],
                required=True,
                help="One point of a figure is so long. Weeks begin on Monday.",
                **changed,
            )
            st.toggle(
                "Compare with the time before",
                key=KEYS["compares"],
                help="As many days before these; where the range ends today, up to the same hour.",
                **changed,
            )
        fields = st.grid(2, min_column_width=220)
        fields.multiselect(
            "Biller", list(titles), format_func=lambda code: titles.get(code, code), key=KEYS["billers"], placeholder="All", help="Any of these.", **changed
        )
        fields.multiselect(
            "Type of payment",
            PAYMENT_TYPES,
            format_func=lambda one: TYPE_LABELS[TransactionType(one)],
            key=KEYS["types"],
            placeholder="All",
            help="Any of these. Look-ups move no money and are counted apart.",
            **changed,
        )


def _remember() -> None:
    """What was chosen goes into the address."""
    state = st.session_state
    wish = read_wish(
        {name: st.query_params.get_all(name) for name in st.query_params}, [*(state.get(KEYS["billers"]) or ()), *(state.get(KEYS["versus"]) or ())]
    )
    chosen = {name: state.get(key, getattr(wish, name)) for name, key in KEYS.items()}
    chosen = {name: tuple(value) if isinstance(value, list) else value for name, value in chosen.items()}
    st.query_params.from_dict(Wish(**chosen).address())


def _head(told: Told) -> None:
    first, last = told.period.first_day, told.period.last_day
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        against = f", against {day_text(clock.business_day(told.period.before[0], zone()))} – {_until(told.period.before[1])}" if told.wish.compares else ""
        st.caption(f"{day_text(first)} – {day_text(last)}{against} · {as_of(told.as_of)}", width="content")
        st.page_link(
            TRANSACTIONS,
            label="These as a list, to look at or export",
            icon=":material/receipt_long:",
            query_params=dict(told.list_of_all()),
            help="The transactions that these figures were counted from. The list has the export.",
        )


def _nothing(actor: Actor, told: Told) -> None:
    with st.container(border=True, horizontal_alignment="center"):
        st.subheader("Nothing in this range", anchor=False, text_alignment="center")
        if told.wish.billers or told.wish.types:
            st.markdown("No transaction fits these billers and types. Take one out of the filter, or choose a longer range.", text_alignment="center")
            if st.button("Clear the filter", icon=":material/filter_alt_off:", type="primary"):
                st.query_params.from_dict({})
                st.rerun()
            return
        st.markdown("Choose a longer range above. Figures appear with the first look-up or payment.", text_alignment="center")
        with st.container(horizontal=True, horizontal_alignment="center"):
            if actor.may("accounts:lookup"):
                st.page_link(LOOKUP, label="Look an account up", icon=":material/person_search:")
            if actor.may("transactions:pay"):
                st.page_link(PAYMENT, label="Pay a bill", icon=":material/payments:")


# ---- Tiles


def _tiles(told: Told) -> None:
    now, before = told.now, told.before
    against = f"vs the {counted(told.period.days, 'day')} before" if before else ""
    by_step = now.by_step()
    course = [by_step.get(step) for step in told.steps]
    difference = points(now.success_rate, before.success_rate) if before else None
    reached = now.success_rate is not None and now.success_rate >= TARGET_SUCCESS_RATE
    with st.grid(4, min_column_width=150, gap="small"):
        tile(
            "Payments",
            count(now.payments),
            change(now.payments, before.payments if before else 0),
            against,
            {"Open": told.list_of_all()},
            icon=":material/bar_chart:",
            chart_data=[one.payments if one else 0 for one in course],
            chart_type="bar",
            help="Transactions that move money; look-ups are counted apart.",
        )
        tile(
            "Success rate",
            percent(now.success_rate),
            None if difference is None else f"{difference:+.1f} pp" if difference else 0,
            against,
            {f"{count(now.completed)} of {count(now.ended)} ended": told.list_of_all(*(status.value for status in ENDED))},
            icon=":material/verified:" if reached else ":material/flag:",
            chart_data=[tenths(one.success_rate) for one in course if one and one.success_rate is not None],
            help=f"Completed of completed, failed and reversed payments; target {TARGET_SUCCESS_RATE:.0%}. What is in doubt or was cancelled is in neither.",
        )
        tile(
            "Revenue (value paid)",
            short_amount(now.value),
            change(now.value, before.value if before else 0),
            against,
            {amount(now.value): told.list_of_all(Status.COMPLETED.value)},
            icon=":material/payments:",
            chart_data=[float(one.value) if one else 0.0 for one in course],
            chart_type="area",
            help="The sum of completed payments in kwacha. What is in doubt is not in it, nor what was reversed.",
        )
        _answer_tile(told, against)
        for label, status, icon, colour, meaning in STATUS_TILES:
            number, earlier = (one.payments_by_status.get(status, 0) if one else 0 for one in (now, before))
            tile(
                label,
                count(number),
                change(number, earlier),
                against,
                {"Open": told.list_of_all(status.value)},
                icon=icon,
                delta_color=colour,
                chart_data=[one.payments_by_status.get(status, 0) if one else 0 for one in course],
                chart_type="bar",
                help=meaning,
            )
        if not told.wish.types:
            lookups = Asked(types=LOOKUP_TYPES, billers=told.wish.billers, first_day=told.period.first_day, last_day=told.period.last_day)
            tile(
                "Look-ups",
                count(now.lookups),
                change(now.lookups, before.lookups if before else 0),
                against,
                {"Open": lookups.address()},
                icon=":material/person_search:",
                chart_data=[one.lookups if one else 0 for one in course],
                chart_type="bar",
                help="Questions about accounts, invoices and bundles. No money moves, and they are in no other figure.",
            )


def _answer_tile(told: Told, against: str) -> None:
    fast, slow = told.times.altogether, told.times_before.altogether if told.times_before else None
    slower = round((fast.average_ms - slow.average_ms) / 1000, 2) if fast and slow else None
    tile(
        "Answer time",
        seconds(fast.average_ms if fast else None),
        None if slower is None else f"{slower:+.2f} s" if slower else 0,
        against,
        {f"half in {seconds(fast.median_ms)}, 95% in {seconds(fast.p95_ms)}" if fast else "no call yet": told.list_of_all()},
        icon=":material/timer:",
        delta_color="inverse",
        chart_data=[told.times.by_step[step].average_ms / 1000 for step in told.steps if step in told.times.by_step],
        help=f"How long billers took to answer calls that pay, on average; target {TARGET_ANSWER_SECONDS} s. A call that got none counts with its wait.",
    )


# ---- Charts


def _charts(actor: Actor, told: Told) -> None:
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


def _plot(figure: Figure, key: str, alt: str, leads_to: Sequence[Sequence[Address]] = ()) -> None:
    """`leads_to` has for each set of points the list behind each of them: a click opens it."""
    if not leads_to:
        st.plotly_chart(figure, key=key, config=figures.CONFIG, alt=alt)
        return
    picked = st.plotly_chart(figure, key=key, config=figures.CONFIG, alt=alt, on_select="rerun", selection_mode="points")
    for point in picked.selection.points:
        curve, place = point.get("curve_number", 0), point.get("point_index", point.get("point_number"))
        if curve < len(leads_to) and place is not None and place < len(leads_to[curve]):
            st.switch_page(TRANSACTIONS, query_params=dict(leads_to[curve][place]))


def _heading(title: str, meaning: str) -> None:
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
                on_change=_remember,
            )
        shown, leads = _volume_series(told)
        most = max(told.steps, key=lambda step: told.now.by_step()[step].payments if step in told.now.by_step() else 0)
        alt = f"Payments over time: {count(told.now.payments)} in all, most in {step_label(most, told.wish.grain, told.period)}."
        _plot(figures.over_time(told.labels, shown, stacked=split != "total", height=figures.TALL), f"volume-{told.wish.address()}", alt, leads)


def _volume_series(told: Told) -> tuple[list[Series], list[list[Address]]]:
    if told.wish.split == "biller":
        apart = told.now.by_biller()
        codes = told.largest_first
        lines = [_counts(told, told.title(code), told.colour(code), apart[code]) for code in codes]
        return lines, [[told.list_of_step(step, billers=(code,)) for step in told.steps] for code in codes]
    if told.wish.split == "status":
        statuses = [status for status in STATUSES if told.now.payments_by_status.get(status)]
        by_step = told.now.by_step()
        lines = []
        for status in statuses:
            numbers = [by_step[step].payments_by_status.get(status, 0) if step in by_step else 0 for step in told.steps]
            lines.append(Series(STATUS_LOOKS[status].label, STATUSES[status], numbers, [count(number) for number in numbers]))
        return lines, [[told.list_of_step(step, status.value) for step in told.steps] for status in statuses]
    lines = [_counts(told, "Payments", BLUE, told.now)]
    if earlier := _before(told):
        numbers = [one.payments if one else 0 for one in earlier]
        lines.append(Series("The time before", SLATE, numbers, _says(told, [count(number) for number in numbers]), dashed=True))
    return lines, [[told.list_of_step(step) for step in told.steps]]


def _counts(told: Told, name: str, colour: str, counted_apart: Figures) -> Series:
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
        _heading("Share of volume", "Which part of all payments each biller has. Success rates are below, as bars: they do not add up to a whole.")
        codes, apart = told.largest_first, told.now.by_biller()
        if not codes:
            st.caption("No payment in this range.")
            return
        numbers = [apart[code].payments for code in codes]
        ring = figures.shares([told.title(code) for code in codes], numbers, [told.colour(code) for code in codes], f"{count(sum(numbers))}<br>payments")
        _plot(ring, f"share-{told.wish.address()}", f"Share of volume by biller: {told.title(codes[0])} has most.")


def _success(told: Told) -> None:
    with st.container(border=True, height="stretch"):
        _heading(
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
        _plot(
            bars,
            f"success-{told.wish.address()}",
            f"Success rate by biller: {'; '.join(map(' '.join, zip(map(told.title, codes), texts, strict=True)))}.",
            leads,
        )


def _value(told: Told) -> None:
    with st.container(border=True, height="stretch"):
        _heading("Revenue (value paid)", "The sum of completed payments in each step, in kwacha. A click on a bar opens them.")
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
        _plot(
            figures.bars_over_time(told.labels, shown, "MWK"), f"value-{told.wish.address()}", f"Value paid over time, {amount(told.now.value)} in all.", leads
        )


def _failures(reasons: Sequence[FailureReason], told: Told) -> None:
    with st.container(border=True, height="stretch"):
        _heading(
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
        _plot(picture, f"failures-{told.wish.address()}", f"Failure reasons, most often {ordered[0]}.", [leads, leads])


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
        _heading(
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
        _plot(bars, f"answers-{told.wish.address()}", "Answer time by biller: median and 95th percentile.", [leads, leads])


# ---- Tables


def _performance(told: Told) -> None:
    found = figure_tables.rows(told.now, told.times, told.before, told.titles)
    first, last = told.period.first_day, told.period.last_day
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Performance", anchor=False, width="content", help="Each biller of the range in one row. A click on a name opens its payments.")
        _download("Download CSV", figure_tables.as_csv(found, first, last), f"performance-{first}-{last}.csv")
    _open_row(told, found, figure_tables.show(found, f"performance-{told.wish.address()}", PERFORMANCE_OPENED))


def _download(label: str, data: bytes, name: str) -> None:
    st.download_button(
        label,
        data,
        file_name=name,
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        help="This table with exact values. No cell of it is a formula to a spreadsheet.",
    )


def _open_row(told: Told, found: Sequence[figure_tables.Row], clicked: int | None) -> None:
    if clicked is not None:
        code = found[clicked].code
        st.switch_page(TRANSACTIONS, query_params=dict(told.list_of_all(billers=(code,) if code else ())))


def _comparison(told: Told) -> None:
    offered = [code for code in told.titles if code in told.now.by_biller()]
    chosen = [code for code in told.wish.versus if code in offered] or list(told.largest_first[:COMPARED])
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader("Billers beside each other", anchor=False, width="content", help="Two or more billers by the same measure, in the same range.")
            st.segmented_control(
                "Measure", MEASURES, format_func=MEASURES.__getitem__, key=KEYS["measure"], required=True, label_visibility="collapsed", on_change=_remember
            )
        st.multiselect(
            "Billers to compare",
            offered,
            format_func=told.title,
            key=KEYS["versus"],
            placeholder=f"The {counted(len(chosen), 'largest', 'largest')}: choose others",
            help="Two or more. Without a choice it is the two with most payments.",
            on_change=_remember,
        )
        if len(chosen) < COMPARED:
            complain("Choose at least two billers that had transactions in this range.")
            return
        apart = told.now.by_biller()
        with st.grid(min(len(chosen), 4), min_column_width=200, gap="small"):
            for code in chosen:
                _card(told, code, apart[code])
        lines = [_measured(told, code, apart[code]) for code in chosen]
        is_rate = told.wish.measure == "rate"
        picture = figures.over_time(told.labels, lines, rate=is_rate, unit="MWK" if told.wish.measure == "value" else "")
        leads = [[told.list_of_step(step, billers=(code,)) for step in told.steps] for code in chosen]
        _plot(picture, f"compared-{told.wish.address()}", f"{MEASURES[told.wish.measure]} of {', '.join(map(told.title, chosen))} over time.", leads)


def _card(told: Told, code: str, now: Figures) -> None:
    times = told.times.by_biller.get(code)
    with st.container(border=True, gap="xsmall"):
        st.page_link(
            TRANSACTIONS,
            label=f"**{plain(told.title(code))}**",
            icon=":material/arrow_forward:",
            icon_position="right",
            query_params=dict(told.list_of_all(billers=(code,))),
        )
        st.table(
            {
                "Payments": count(now.payments),
                "Success rate": f"{percent(now.success_rate)} ({count(now.completed)} of {count(now.ended)})",
                "Value": amount(now.value),
                "Average paid": amount(figure_tables.average_paid(now)),
                "Average answer": seconds(times.average_ms if times else None),
                "95% within": seconds(times.p95_ms if times else None),
            },
            border="horizontal",
            alt=f"Figures of {told.title(code)}",
        )


def _measured(told: Told, code: str, apart: Figures) -> Series:
    by_step = apart.by_step()
    course = [by_step.get(step) for step in told.steps]
    if told.wish.measure == "value":
        sums = [one.value if one else None for one in course]
        return Series(told.title(code), told.colour(code), [float(one) if one else 0.0 for one in sums], [amount(one) for one in sums])
    if told.wish.measure == "rate":
        rates = [one.success_rate if one else None for one in course]
        return Series(told.title(code), told.colour(code), [None if one is None else tenths(one) for one in rates], [percent(one) for one in rates])
    return _counts(told, told.title(code), told.colour(code), apart)


# ---- Report


def _report(actor: Actor, told: Told) -> None:
    """A day, a week or a month as one table, whatever range is chosen above."""
    wish = told.wish
    today = clock.business_day(told.as_of, zone())
    period = periods.whole(wish.report, wish.report_day or today, told.as_of, zone())
    wanted = TransactionFilter(
        billers=wish.billers, types=wish.types, since=clock.day_bounds(period.first_day, zone())[0], until=clock.day_bounds(period.last_day, zone())[1]
    )
    now, before = statistics.totals(actor, wanted), statistics.totals(actor, TransactionFilter(wish.billers, (), wish.types, *period.before))
    found = figure_tables.rows(now, statistics.answer_times(actor, wanted), before, told.titles)
    address = wish.list_address(period.first_day, period.last_day)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader("Report", anchor=False, width="content", help="One business day, week or month, against the one before it.")
            with st.container(horizontal=True, vertical_alignment="center", width="content"):
                changed: dict[str, Any] = {"on_change": _remember, "label_visibility": "collapsed"}
                st.segmented_control("Report", REPORT_LABELS, format_func=REPORT_LABELS.__getitem__, key=KEYS["report"], required=True, **changed)
                st.date_input("Any day of it", value=None, max_value=today, key=KEYS["report_day"], format="DD/MM/YYYY", width=150, **changed)
                st.page_link(TRANSACTIONS, label="Open", icon=":material/receipt_long:", query_params=dict(address), help="Its payments as a list.")
                _download("CSV", figure_tables.as_csv(found, period.first_day, period.last_day), f"report-{period.first_day}-{period.last_day}.csv")
        st.markdown(f"**{_days_text(period)}**{' so far' if period.last_day == today else ''}: {_sentence(now, before)}")
        if now.rows:
            clicked = figure_tables.show(found, f"report-{wish.address()}", REPORT_OPENED)
            if clicked is not None:
                billers = (found[clicked].code,) if found[clicked].code else ()
                st.switch_page(TRANSACTIONS, query_params=dict(wish.list_address(period.first_day, period.last_day, billers=billers)))


def _sentence(now: Figures, before: Figures) -> str:
    difference = change(now.payments, before.payments)
    against = f" ({difference} against the one before)" if difference else ""
    rate = f"{percent(now.success_rate)} of those that ended were paid, " if now.ended else ""
    return f"{counted(now.payments, 'payment')}{against}, {rate}{amount(now.value)} in all; {counted(now.lookups, 'look-up')} beside."


# ---- Words for days


def day_text(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def step_label(step: datetime, grain: Grain, period: Period) -> str:
    """`23 Nov`, `17–23 Nov`, `Nov 2025`: as much of the step as lies in the range."""
    first, last = periods.days_of(step, grain, (period.first_day, period.last_day), zone())
    year = f" {first:%Y}" if period.first_day.year != period.last_day.year else ""
    if grain is Grain.MONTH:
        return f"{first:%b %Y}"
    if first == last:
        return f"{first.day} {first:%b}{year}"
    return f"{first.day}–{last.day} {last:%b}{year}" if first.month == last.month else f"{first.day} {first:%b} – {last.day} {last:%b}{year}"


def _days_text(period: Period) -> str:
    return day_text(period.first_day) if period.days == 1 else f"{day_text(period.first_day)} – {day_text(period.last_day)}"


def _until(moment: datetime) -> str:
    """The last day of a half-open interval, with the hour where it ends within a day."""
    local = moment.astimezone(zone())
    if (local.hour, local.minute) == (0, 0):
        return day_text(clock.business_day(moment - timedelta(seconds=1), zone()))
    return f"{day_text(local.date())}, {local:%H:%M}"
