"""The ways to a report's files: of a period as it is known now, and of one that was made."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date

import streamlit as st

from core.access import Actor
from core.documents.report_words import period_name
from core.models.reports import ReportFormat, ReportKind
from core.repositories.statistics import Grain
from core.settings import CHECKOUT
from core.ui.places import page_link

REPORTS = CHECKOUT / "pages" / "reports.py"

KINDS: Mapping[Grain, ReportKind] = {Grain.DAY: ReportKind.DAILY, Grain.WEEK: ReportKind.WEEKLY, Grain.MONTH: ReportKind.MONTHLY}

# Name, icon, and for whom it is.
FORMATS: Mapping[ReportFormat, tuple[str, str, str]] = {
    ReportFormat.PDF: ("PDF", ":material/picture_as_pdf:", "To read and to hand on, with charts."),
    ReportFormat.XLSX: ("XLSX", ":material/table_view:", "A workbook to calculate with: figures as numbers, codes as text, charts of its own."),
    ReportFormat.CSV: ("CSV", ":material/csv:", "One figure a line, for programs and pivot tables. No cell of it is a formula to a spreadsheet."),
}


def offer(actor: Actor, grain: Grain, first_day: date) -> None:
    """For Analytics: the files of the period that is shown there. Draws nothing for who may not have reports."""
    if not actor.may("reports:read"):
        return
    of_period(KINDS[grain], first_day, "All billers and all kinds of payment, whatever is chosen above.")
    page_link(
        REPORTS,
        label="All reports",
        icon=":material/summarize:",
        query_params={"kind": KINDS[grain].value},
        help="Those that were made, and when they are made by themselves.",
    )


def of_period(kind: ReportKind, first_day: date, about: str, *, main: bool = False) -> None:
    """What is known of the period now. The first stands out where it is what the page is for."""
    for place, (form, (label, icon, meaning)) in enumerate(FORMATS.items()):
        address = f"/reports/{kind}/{period_name(kind, first_day)}.{form}"
        st.link_button(label, address, icon=icon, type="primary" if main and place == 0 else "secondary", help=f"{meaning} {about}")


def of_kept(report_id: uuid.UUID, formats: Sequence[ReportFormat] = tuple(ReportFormat)) -> None:
    """One that was made, as it was made."""
    for form, (label, icon, meaning) in FORMATS.items():
        if form in formats:
            st.link_button(label, f"/reports/kept/{report_id}.{form}", icon=icon, help=f"{meaning} As it was made.")
