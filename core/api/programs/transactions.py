"""Reading transactions: the list, one and its story, what they come to, and all of them as a file."""

import uuid
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field, StringConstraints
from starlette.responses import Response

from core import clock
from core.api.export import Download
from core.api.problems import API
from core.api.programs import shapes
from core.api.programs.asking import Filter, FilterOf, ListOf, asked_by, cursor_for, links, place_in
from core.api.programs.way_in import ProgramRoute, Who, needing, said
from core.errors import BadInput
from core.money import Money
from core.repositories.exports import Profile
from core.repositories.statistics import Figures
from core.repositories.transactions import Story
from core.services import exports, statistics, transactions
from core.services.statistics import business_zone
from core.states import Stage, status_of

router = APIRouter(route_class=ProgramRoute)

READ = "transactions:read"

CSV, XLSX = "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@router.get("/transactions", summary="The list, page by page", response_model=shapes.TransactionPage, openapi_extra=needing(READ))
def list_transactions(actor: Who, asked: ListOf) -> Response:
    """The rows of a filter in its order. What is added meanwhile moves no page: a cursor is a place in the order, and not a number of rows."""
    older, newer = place_in(asked)
    wanted = asked_by(actor, asked).wanted(business_zone(), actor.id)
    page = transactions.list_page(actor, wanted, int(asked.limit), older, newer, asked.sort)
    following, before = cursor_for(asked, "after", page.older), cursor_for(asked, "before", page.newer)
    items = [shapes.Transaction.of(row) for row in page.rows]
    answer = shapes.TransactionPage(items=items, next=following, previous=before, as_of=page.as_of)
    return said(answer, headers=links(f"{API}/transactions", asked, (("next", following), ("prev", before))))


@router.get("/transactions/stats", summary="What transactions come to", response_model=shapes.StatisticsOf, openapi_extra=needing(READ, "statistics:read"))
def transaction_statistics(actor: Who, asked: FilterOf) -> Response:
    """Counts, value paid, success rate and answer times of a filter's rows, altogether and by biller: the same figures as on the pages."""
    wanted = asked_by(actor, asked).wanted(business_zone(), actor.id)
    figures = statistics.totals(actor, wanted)
    times = statistics.answer_times(actor, wanted).altogether
    return said(
        shapes.StatisticsOf(
            rows=figures.rows,
            payments=figures.payments,
            lookups=figures.lookups,
            in_doubt=figures.in_doubt,
            by_status=dict(figures.by_status),
            value=_value(figures),
            success_rate=figures.success_rate,
            answer_ms_average=times.average_ms if times else None,
            answer_ms_p50=times.median_ms if times else None,
            answer_ms_p95=times.p95_ms if times else None,
            by_biller={
                code: shapes.BillerStatistics(payments=one.payments, value=_value(one), success_rate=one.success_rate)
                for code, one in figures.by_biller().items()
            },
            as_of=clock.now(),
        )
    )


def _value(figures: Figures) -> dict[str, str]:
    return {currency: Money(amount, currency).text for currency, amount in figures.values.items()}


class Exported(Filter):
    """Which rows, and as what kind of file."""

    format: Literal["csv", "xlsx"] = Field("csv", description="A CSV, however many rows it has, or an Excel workbook.")
    profile: Literal["data", "spreadsheet"] = Field("data", description="Of a CSV: exact values for programs, or formulas neutralised for spreadsheets.")
    zone: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]+(/[A-Za-z_]+)?$", max_length=40)] | None = Field(
        None, description="What times are written in: UTC, or the bank's own zone."
    )
    columns: Annotated[str, StringConstraints(pattern=r"^[a-z_]+(,[a-z_]+)*$", max_length=400)] | None = Field(
        None, description="Which columns, in which order, apart by commas."
    )


@router.get(
    "/transactions/export",
    summary="The list as a file",
    response_class=Response,
    responses={200: {"description": "Every row of the filter, from one snapshot.", "content": {CSV: {}, XLSX: {}}}},
    openapi_extra=needing(READ, "transactions:export", "billers:read", forms=(CSV, XLSX)),
)
def export_transactions(actor: Who, asked: Annotated[Exported, Query()]) -> Response:
    """Exactly the rows of the list, all of them. What left is written down; `Link` leads to its manifest, with the number of rows and the SHA-256."""
    if asked.format == "xlsx" and asked.profile != "data":
        raise BadInput("A profile is of a CSV. Leave it out for a workbook.")
    profile = Profile.WORKBOOK if asked.format == "xlsx" else Profile(asked.profile)
    chosen = tuple(dict.fromkeys(asked.columns.split(","))) if asked.columns else ()
    running = exports.begin(actor, replace(asked_by(actor, asked), columns=chosen), profile, asked.zone)
    file = Download(running)
    file.headers["Link"] = f'</export/{running.id}.json>; rel="describedby"'
    return file


@router.get("/transactions/{transaction_id}", summary="One transaction, and its story", response_model=shapes.TransactionStory, openapi_extra=needing(READ))
def find_transaction(actor: Who, transaction_id: uuid.UUID) -> Response:
    """How it stands, each step it took and why, and each movement of money in it."""
    return said(told(transactions.story(actor, transaction_id)))


def told(story: Story) -> shapes.TransactionStory:
    facts: dict[str, Any] = dict(shapes.Transaction.of(story.transaction))
    return shapes.TransactionStory(
        **facts,
        steps=steps_in(story),
        movements=[
            shapes.Movement(
                kind=leg.kind,
                reference=leg.reference,
                sends=leg.sends,
                inquiries=leg.inquiries,
                in_doubt=leg.tainted,
                last_sent_at=leg.last_sent_at,
                external_id=leg.external_id,
            )
            for leg in story.legs
        ],
        retried_as=story.child.id if story.child else None,
    )


def steps_in(story: Story, after: int = 0) -> list[shapes.Step]:
    """The steps behind one of this number, in their order."""
    return [
        shapes.Step(number=one.version, at=one.at, stage=Stage(one.to_stage), status=status_of(Stage(one.to_stage)), by=one.actor_name, because=one.reason)
        for one in story.events
        if one.version > after
    ]
