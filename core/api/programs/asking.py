"""The list's filter as a program says it, and the place in it. It means the same rows as the page's address, by the same reader.

A cursor is a place and the list that it is a place in: of another filter or order it is refused. It is neither secret nor signed: it opens nothing that
asking would not, and one that somebody made up is a place like any other.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal
from urllib.parse import urlencode

import orjson
from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from core.access import Actor
from core.api.programs.shapes import Amount, Biller
from core.errors import BadInput
from core.repositories.transactions import Cursor, Sort
from core.services import billers
from core.services.asked import Asked, contradiction, cursor_text, read_and_tell
from core.services.asked import cursor as cursor_in
from core.states import Status, TransactionType

Day = Annotated[
    str,
    StringConstraints(pattern=r"^2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"),
    Field(description="A business day, included.", examples=["2026-11-26"]),
]
Search = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,60}$")]
YesOrNo = Literal["true", "false"]
Place = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,400}$")]


class Days(BaseModel):
    """Which transactions, as far as figures are kept of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    biller: Annotated[list[Biller], Field(max_length=50, description="Any of these billers.")] = []
    status: Annotated[list[Status], Field(max_length=10, description="Any of these statuses.")] = []
    type: Annotated[list[TransactionType], Field(max_length=10, description="Any of these types.")] = []
    first_day: Day | None = Field(None, alias="from", description="From this business day on.")
    last_day: Day | None = Field(None, alias="to", description="Up to this business day, included.")


class Filter(Days):
    """Which transactions, and in which order."""

    q: Search | None = Field(None, description="A reference, an account or a name, or a part of it.")
    least: Amount | None = Field(None, alias="min", description="This amount or more.")
    largest: Amount | None = Field(None, alias="max", description="This amount or less.")
    account: Search | None = Field(None, description="A part of the account number, from three signs on.")
    ref: Search | None = Field(None, description="A whole reference: ours, the biller's, an invoice's.")
    mine: YesOrNo | None = Field(None, description="Only what the token's owner submitted, by whichever program.")
    doubt: YesOrNo | None = Field(None, description="Only payments that were or may have been sent and are not settled.")
    review: YesOrNo | None = Field(None, description="Only payments that two people decide about, or none of them.")
    reason: Annotated[list[Annotated[str, StringConstraints(pattern=r"^[!-~]{1,60}$")]], Field(max_length=20, description="Any of these codes.")] = []
    sort: Sort = Field(Sort.NEWEST, description="What stands first.")


class Listed(Filter):
    limit: Literal["25", "50", "100"] = Field("25", description="So many at once.")
    cursor: Place | None = Field(None, description="`next` or `previous` of an answer to the same filter.")


FilterOf = Annotated[Days, Query()]
ListOf = Annotated[Listed, Query()]

# As the page's addresses say yes, and no where no is something.
AS_THE_PAGE: Mapping[str, Mapping[str, str]] = {
    "mine": {"true": "1", "false": ""},
    "doubt": {"true": "1", "false": ""},
    "review": {"true": "1", "false": "0"},
}


def asked_by(actor: Actor, said: Days) -> Asked:
    """The same as values. Raises `BadInput` for what nothing can match, and for what cannot be understood: an answer about more than was asked is believed."""
    address = {name: [_as_the_page(name, one) for one in (value if isinstance(value, list) else [value])] for name, value in _pairs(said).items()}
    asked, left_out = read_and_tell(address, billers.biller_names(actor) if address.get("biller") else ())
    unknown = [name for name in left_out if name != "biller"]
    if unknown:
        raise BadInput(f"What {unknown[0]} says cannot be understood. Correct it.")
    if "biller" in left_out:
        # Of a biller that this person does not serve there is nothing: the service says so, once it is asked.
        asked = replace(asked, billers=tuple(address["biller"]))
    if sentence := contradiction(asked):
        raise BadInput(sentence)
    return asked


def _pairs(said: Days) -> dict[str, list[str] | str]:
    told = said.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"limit", "cursor", "format", "profile", "zone", "columns"})
    return {name: value for name, value in told.items() if value not in ([], "")}


def _as_the_page(name: str, value: str) -> str:
    return AS_THE_PAGE.get(name, {}).get(value, value)


# ---- The place in it


def place_in(said: Listed) -> tuple[Cursor | None, Cursor | None]:
    """Behind which place to go on, or before which to go back. Raises `BadInput` for one of another list."""
    if said.cursor is None:
        return None, None
    try:
        told = orjson.loads(base64.urlsafe_b64decode(said.cursor + "=" * (-len(said.cursor) % 4)))
        older, newer = (cursor_in(told[name]) if told.get(name) else None for name in ("after", "before"))
        is_of_this_list = told.get("of") == _list_of(said) and (older is None) != (newer is None)
    except (binascii.Error, ValueError, TypeError, AttributeError, KeyError):
        is_of_this_list, older, newer = False, None, None
    if not is_of_this_list or ((older or newer) and _lacks_amount(said, older or newer)):
        raise BadInput("This cursor is of another list. Use `next` or `previous` of an answer to the same filter, or leave it out.")
    return older, newer


def _lacks_amount(said: Listed, place: Cursor | None) -> bool:
    return place is not None and place.amount is not None and not said.sort.by_amount


def _list_of(said: Listed) -> str:
    return hashlib.sha256(orjson.dumps(_pairs(said), option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def cursor_for(said: Listed, way: Literal["after", "before"], place: Cursor | None) -> str | None:
    if place is None:
        return None
    told = orjson.dumps({way: cursor_text(place), "of": _list_of(said)})
    return base64.urlsafe_b64encode(told).decode().rstrip("=")


def links(path: str, said: Listed, ways: Sequence[tuple[str, str | None]]) -> Mapping[str, str]:
    """RFC 8288: the same list, at another place."""
    asked = {**_pairs(said), "limit": said.limit}
    found = [f'<{path}?{urlencode({**asked, "cursor": cursor}, doseq=True)}>; rel="{rel}"' for rel, cursor in ways if cursor]
    return {"Link": ", ".join(found)} if found else {}
