"""What of a biller's answer is kept on its transaction: as the pages show it, and as a draft is frozen from it. Amounts are text, dates ISO."""

from collections.abc import Mapping
from typing import Any

from core.money import Money
from core.wire.contract import Account, Bundles, Invoice, Receipt, Told


def told_in(told: Told) -> Mapping[str, Any]:
    """Of the answer to a question. What the biller did not say is left out."""
    match told:
        case Account():
            kept: dict[str, Any] = {"name": told.name, "state": told.state, **_amount("balance", told.balance, currency="balance_currency")}
        case Invoice():
            kept = {
                "name": told.name,
                "state": told.state,
                "invoice_number": told.number or None,
                "due_date": told.due_date.isoformat() if told.due_date else None,
                **_amount("amount_due", told.due, currency="amount_currency"),
                **_amount("charges", told.charges),
            }
        case Bundles():
            kept = {
                "bundles": [
                    {"id": one.id, "name": one.name, "price": one.price.text, "currency": one.price.currency, "data": one.data, "validity": one.validity}
                    for one in told.items
                ]
            }
    return {key: value for key, value in kept.items() if value is not None}


def sold_with(receipt: Receipt) -> Mapping[str, Any] | None:
    """Of a confirmation: what the biller states with it. Of a token only that there is one."""
    stated = {**({"units": receipt.units} if receipt.units else {}), **_amount("charges", receipt.charges), **({"has_token": True} if receipt.token else {})}
    return stated or None


def _amount(name: str, money: Money | None, *, currency: str | None = None) -> dict[str, str]:
    if money is None:
        return {}
    return {name: money.text, **({currency: money.currency} if currency else {})}
