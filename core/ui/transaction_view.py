"""One transaction's story: a sentence, the facts, the legs, the timeline, every message; and what may be done about it."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

import streamlit as st

from core.access import Actor
from core.errors import BillersError, NotFound
from core.models import Answer, Attempt, Leg, Transaction
from core.money import Money
from core.repositories.transactions import Story
from core.services import payments, transactions
from core.services.payments import ASKABLE, Action, DuplicateSuspected
from core.states import TERMINAL, LegKind, Stage, TransactionType, status_of
from core.ui import receipt_view
from core.ui.payload import readable
from core.ui.pieces import FORM_WIDTH, code, complain, show_facts, show_telling, turn_to
from core.ui.session import guarded, guarded_dialog, guarded_fragment
from core.ui.tellings import OUTCOMES, QUESTION_OUTCOMES, VERBS, lost_on_the_way, tell
from core.ui.words import TYPE_LABELS, ago, amount, as_of, clock_time, date_text, day, look, moment_text, plain, stage_label

LOOK_EVERY_SECONDS = 2

AT_REST = TERMINAL | {Stage.COMPLETED, Stage.REVIEW}

LEG_TITLES: Mapping[LegKind, str] = {
    LegKind.DEBIT: "Debit at the bank",
    LegKind.PAY: "Payment to the biller",
    LegKind.REVERSAL: "Debit given back",
    LegKind.PAY_REVERSAL: "Payment given back by the biller",
    LegKind.REFUND: "Refund to the customer",
}

# Stands in the address while one of the list's rows is shown beside it.
PEEK = "peek"

# How often one was looked at beside the list: a grid of another key is a grid without a selection.
PEEKS = "peeks"

# Steps of the view that stand in the address beside the id.
OWN_PARAMETERS = ("id", "retry", "cancel", PEEK)

# The newest of them are enough beside the list.
SHORT_TIMELINE = 4


def show(actor: Actor, asked: str) -> None:
    _back_to_list()
    transaction = _found(actor, asked)
    st.title(_title(transaction), anchor=False)
    if "retry" in st.query_params and not transaction.demo:
        _retry_step(actor, transaction)
    elif "cancel" in st.query_params and not transaction.demo:
        _cancel_step(actor, transaction)
    else:
        _check_on_opening(actor, transaction)
        open_still = Stage(transaction.stage) not in AT_REST
        guarded_fragment("transactions:read", run_every=LOOK_EVERY_SECONDS if open_still else None)(_story)(transaction.id, open_still)


def _found(actor: Actor, asked: str) -> Transaction:
    """By our reference, which people read out, or by the internal id."""
    try:
        return transactions.find(actor, uuid.UUID(asked))
    except ValueError:
        return transactions.by_reference(actor, asked)


def _title(transaction: Transaction) -> str:
    kind = TYPE_LABELS[TransactionType(transaction.transaction_type)]
    money = f" of {Money(transaction.amount, transaction.currency)}" if transaction.amount is not None else ""
    return f"{kind}{money}"


def _elsewhere(**more: str) -> NoReturn:
    """This page with the list's filter kept, and only these of the view's own parameters."""
    kept = {name: st.query_params.get_all(name) for name in st.query_params if name not in OWN_PARAMETERS}
    turn_to(**kept, **more)


def _back_to_list() -> None:
    if st.button("Transactions", icon=":material/arrow_back:", type="tertiary", help="Back to the list, with its filter as it was."):
        _elsewhere()


def _check_on_opening(actor: Actor, transaction: Transaction) -> None:
    """Whoever opens a payment in doubt wants to know: the biller is asked at once, once a visit (rule 7 limits it further)."""
    seen = f"asked-{transaction.id}"
    if transaction.stage in {stage.value for stage in ASKABLE} and actor.may("transactions:check") and seen not in st.session_state:
        st.session_state[seen] = True
        payments.check_now(actor, transaction.id)


# ---- Beside the list


def peek(reference: str) -> None:
    """Opens the drawer: it stands in the address like everything else."""
    st.query_params[PEEK] = reference


def _put_back() -> None:
    st.query_params.pop(PEEK, None)
    st.session_state[PEEKS] = st.session_state.get(PEEKS, 0) + 1


def drawer(actor: Actor, reference: str) -> None:
    """The transaction in short, to the right of the list it was picked from."""
    try:
        one = _found(actor, reference)
    except NotFound as error:
        complain(error.sentence)
        return
    guarded_dialog(_title(one), "transactions:read", position="right", width="medium", on_dismiss=_put_back)(_drawer)(one.id)


def _drawer(actor: Actor, transaction_id: uuid.UUID) -> None:
    open_still = Stage(transactions.find(actor, transaction_id).stage) not in AT_REST
    guarded_fragment("transactions:read", run_every=LOOK_EVERY_SECONDS if open_still else None)(_short)(transaction_id, open_still)


def _short(actor: Actor, transaction_id: uuid.UUID, open_still: bool) -> None:
    story = transactions.story(actor, transaction_id)
    one = story.transaction
    _mark(one)
    show_telling(tell(one, plain))
    _actions(actor, story)
    receipt_view.offer(actor, one)
    show_facts(_key_facts(story), alt="Key facts of this transaction")
    _timeline(story, SHORT_TIMELINE)
    if st.button("Open the full page", icon=":material/open_in_full:", width="stretch", help="Every fact, both legs, every message."):
        _elsewhere(id=one.our_transaction_id)
    # Once it has settled the list behind is left as it was: it says by itself that something changed.
    follows = open_still and Stage(one.stage) not in AT_REST
    st.caption(as_of(story.as_of) + (". This follows by itself until it is settled." if follows else "."))


# ---- The story


def _mark(one: Transaction) -> None:
    if one.demo:
        st.badge("Demonstration", icon=":material/theater_comedy:", color="violet", help="Made up to show how the console looks. Nothing can be done about it.")


def _story(actor: Actor, transaction_id: uuid.UUID, open_still: bool) -> None:
    story = transactions.story(actor, transaction_id)
    transaction = story.transaction
    if open_still and Stage(transaction.stage) in AT_REST:
        st.rerun()
    _mark(transaction)
    show_telling(tell(transaction, plain))
    _actions(actor, story)
    receipt_view.offer(actor, transaction)
    _relatives(story)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _facts(story)
        _legs(story)
    with right:
        _timeline(story)
    _attempts(story)
    st.caption(as_of(story.as_of) + (". This page follows by itself until it is settled." if open_still else "."))


def _facts(story: Story) -> None:
    one = story.transaction
    st.subheader("Facts", anchor=False)
    show_facts(
        {
            **_key_facts(story),
            "Biller's reference": code(one.external_transaction_id) if one.external_transaction_id else "",
            "Code": _code(one),
            "Settled": moment_text(one.completed_at) if one.completed_at else "",
            "Next check": moment_text(one.next_action_at) if one.next_action_at and Stage(one.stage) not in AT_REST else "",
            "Second payment because": plain(one.duplicate_reason or ""),
        },
        alt="Facts of this transaction",
    )
    _bundles(one)


def _key_facts(story: Story) -> dict[str, str]:
    """What somebody at a counter asks first; the rest is on the full page."""
    one, told = story.transaction, story.transaction.extra or {}
    return {
        "Status": _status(one),
        "Amount": f"**{amount(one.amount, one.currency)}**" if one.amount is not None else "",
        "Asked for": _money(one, "asked_amount"),
        "Amount due": _money(one, "amount_due", "amount_currency"),
        "Due by": date_text(str(told["due_date"])) if told.get("due_date") else "",
        "Charges": f"{charges}, part of the amount" if (charges := _money(one, "charges", "charges_currency")) else "",
        "Balance told": _money(one, "balance", "balance_currency"),
        "State told": plain(told.get("state") or ""),
        "From": _payer(one),
        "To": f"{plain(one.biller_name)}, account {plain(one.account_number)}",
        "Account type": plain(one.account_type.capitalize()) if one.account_type else "",
        "Meter": code(one.meter_number) if one.meter_number else "",
        "Customer": plain(one.customer_account_name or ""),
        "Invoice": code(number) if (number := one.invoice_number or told.get("invoice_number")) else "",
        "Bundle": plain(told.get("bundle_name") or one.bundle_id or ""),
        "Units": plain(told.get("units") or ""),
        # That there is one, and nothing of it: a token is cash.
        "Prepaid token": "there is one, sealed; it is opened with the receipt" if told.get("has_token") else "",
        "Our reference": code(one.our_transaction_id),
        "Submitted": f"{moment_text(one.created_at)}, by {plain(story.initiator or 'the system')}",
    }


def _bundles(one: Transaction) -> None:
    """What the biller offered, as it said it."""
    if not (offered := (one.extra or {}).get("bundles")):
        return
    st.subheader("Bundles offered", anchor=False)
    st.table(
        [
            {
                "Bundle": plain(bundle.get("name") or ""),
                "Data": plain(bundle.get("data") or "–"),
                "Valid for": plain(bundle.get("validity") or "–"),
                "Price": str(Money.from_text(str(bundle["price"]), bundle.get("currency") or one.currency)) if bundle.get("price") else "–",
            }
            for bundle in offered
        ],
        border="horizontal",
        alt="Bundles that the biller offers to this number",
    )


def _status(one: Transaction) -> str:
    """The public status, and beside it the stage where that says more."""
    detail = _label(one, one.stage)
    return look(one.status).badge + (f" :gray[{plain(detail)}]" if one.stage != one.status else "")


def _code(one: Transaction) -> str:
    """What the biller said last, or our name for what went wrong on the way; of a look-up nobody can have acted."""
    if not one.error_code:
        return ""
    return code(one.error_code) + ("" if one.amount is None and lost_on_the_way(one) else f" {plain(one.error_message or '')}")


def _payer(one: Transaction) -> str:
    """The customer's side. Without core banking the till took the money, and there is no account to name."""
    if one.amount is None:
        return ""
    return f"account {plain(one.debit_account)}" if one.debit_account else "the customer, over the counter"


def _money(one: Transaction, name: str, currency: str = "") -> str:
    """An amount that the biller told, with its currency; nothing where it told none."""
    told = one.extra or {}
    return str(Money.from_text(str(told[name]), told.get(currency) or one.currency)) if told.get(name) else ""


def _legs(story: Story) -> None:
    """Side by side: a debit will stand to the left of the payment once core banking is connected. A leg nothing was sent of is not shown."""
    legs = [leg for leg in story.legs if leg.sends or leg.kind == LegKind.PAY.value]
    if not legs:
        return
    order = list(LegKind)
    st.subheader("Movements of money", anchor=False, help="One for each account that is debited or credited.")
    for column, leg in zip(st.columns(len(legs)), sorted(legs, key=lambda leg: order.index(LegKind(leg.kind))), strict=True):
        with column, st.container(border=True, height="stretch"):
            _leg(leg)


def _leg(leg: Leg) -> None:
    st.markdown(f"**{LEG_TITLES[LegKind(leg.kind)]}**")
    if leg.tainted:
        st.badge("In doubt", icon=":material/help:", color="orange", help="A request of it ended without a clear answer, and nothing has settled that yet.")
    show_facts(
        {
            "Reference": code(leg.reference),
            "Sent": _times(leg.sends),
            "Asked about": _times(leg.inquiries) if leg.inquiries else "",
            "Last sent": moment_text(leg.last_sent_at) if leg.last_sent_at else "",
            "Last asked": moment_text(leg.last_asked_at) if leg.last_asked_at else "",
            "Never seen, in a row": str(leg.not_found_in_a_row) if leg.not_found_in_a_row else "",
            "Biller's reference": code(leg.external_id) if leg.external_id else "",
        },
        alt=LEG_TITLES[LegKind(leg.kind)],
    )


def _times(count: int) -> str:
    return {0: "not yet", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _timeline(story: Story, newest: int = 0) -> None:
    """All of it, or only its newest events."""
    help_text = "Every change, who made it and why. Nothing here can be altered."
    if newest:
        # A heading would be smaller than its text in a drawer.
        st.markdown("**Timeline**", help=help_text)
    else:
        st.subheader("Timeline", anchor=False, help=help_text)
    if newest and len(story.events) > newest:
        st.caption(f"The last {newest} of {len(story.events)} changes.")
    last_day = ""
    for event in story.events[-newest:]:
        shown = look(status_of(Stage(event.to_stage)))
        # The day is told once, and again where a new one begins.
        day_told, last_day = (day(event.at) if day(event.at) != last_day else ""), day(event.at)
        with st.container(gap=None):
            st.markdown(f":{shown.colour}[{shown.icon}] **{clock_time(event.at)}** · {plain(_label(story.transaction, event.to_stage))} :gray[{day_told}]")
            st.caption(f"{plain(event.reason)} By {plain(event.actor_name)}.")


# A look-up goes through stages of the same names with another meaning.
QUESTION_LABELS: Mapping[str, str] = {"CREATED": "Asked", "ASKING": "Asking the biller", "COMPLETED": "Answered", "FAILED": "No answer"}


def _label(one: Transaction, stage: str) -> str:
    return stage_label(stage) if one.amount is not None else QUESTION_LABELS.get(stage, stage_label(stage))


def _relatives(story: Story) -> None:
    for other, words in ((story.parent, "This payment retries"), (story.child, "It was retried by")):
        if other is not None:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f"{words} {code(other.our_transaction_id)} {look(other.status).badge}", width="content")
                if st.button("Open it", key=f"open-{other.id}", icon=":material/open_in_new:", type="tertiary"):
                    _elsewhere(id=other.our_transaction_id)


# ---- Every message


def _attempts(story: Story) -> None:
    st.subheader("Messages", anchor=False, help="Each request to the biller and its answer. Credentials, PINs and tokens were masked before they were kept.")
    if not story.attempts:
        st.caption("Nothing was sent yet.")
    moves_money = TransactionType(story.transaction.transaction_type).moves_money
    for number, (attempt, answers) in enumerate(story.attempts, 1):
        with st.expander(_attempt_title(number, attempt, answers), key=f"attempt-{attempt.id}"):
            _attempt(attempt, answers, OUTCOMES if moves_money else QUESTION_OUTCOMES)


def _attempt_title(number: int, attempt: Attempt, answers: Sequence[Answer]) -> str:
    end = f"{answers[-1].outcome.replace('_', ' ').lower()}, {_seconds(answers[-1].duration_ms)}" if answers else "no answer yet"
    return f"{number} · {VERBS.get(attempt.verb, plain(attempt.verb))} · {clock_time(attempt.at)} · {end}"


def _seconds(duration_ms: int | None) -> str:
    if duration_ms is None:
        return "no time taken"
    return f"{duration_ms} ms" if duration_ms < 1000 else f"{duration_ms / 1000:.1f} s"


def _attempt(attempt: Attempt, answers: Sequence[Answer], outcomes: Mapping[str, str]) -> None:
    for answer in answers:
        show_facts(
            {
                "What it means": outcomes.get(answer.outcome, plain(answer.outcome)),
                "In words": plain(answer.message or "") if answer.code or attempt.leg else "",
                "Sent": f"{moment_text(attempt.at)}, under {code(attempt.reference)}",
                "Answered": f"{moment_text(answer.at)}, after {_seconds(answer.duration_ms)}",
                "HTTP status": str(answer.http_status) if answer.http_status else "none: no whole answer came",
                "Biller's code": code(answer.code) if answer.code else "",
                "What went wrong": code(answer.failure) if answer.failure else "",
                "Came late": "" if answer.in_time else "yes: kept as evidence, it moved nothing by itself",
            },
            alt="What came of this request",
        )
        for title, message in (("Request", answer.request), ("Answer", answer.response)):
            if message:
                st.caption(title)
                # Without colours: those of XML are too faint to read in either theme (below 4.5 to 1).
                st.code(readable(message), language=None, wrap_lines=True)
    if not answers:
        st.caption(f"On its way since {clock_time(attempt.at)}, under {code(attempt.reference)}. What was said is shown once it has ended.")


# ---- What may be done


def _actions(actor: Actor, story: Story) -> None:
    """Each possible, or off with its reason beside it. The services hold the same rules."""
    one = story.transaction
    if one.amount is None or one.demo:
        return
    possible = {action.name: action for action in payments.actions(actor, one, retried=story.child is not None)}
    complain(st.session_state.pop(f"refused-{one.id}", None))
    with st.container(horizontal=True):
        _button(
            possible["check"],
            "Check now",
            ":material/help:",
            "Asks the biller at once what became of it, at most every ten seconds.",
            on_click=_check,
            args=(one.id,),
        )
        if _button(possible["retry"], "Retry …", ":material/replay:", "Pays the same bill again, as a new payment linked to this one. Asks before it does."):
            _elsewhere(id=one.our_transaction_id, retry="1")
        if _button(possible["cancel"], "Cancel …", ":material/block:", "Stops it before anything is sent. Asks before it does."):
            _elsewhere(id=one.our_transaction_id, cancel="1")
    off = [
        f"*{label}*: {plain(possible[name].why_not)}"
        for name, label in (("check", "Check now"), ("retry", "Retry"), ("cancel", "Cancel"))
        if possible[name].why_not
    ]
    if off:
        st.caption("Off: " + " ".join(off))


def _button(action: Action, label: str, icon: str, help_text: str, on_click: Callable[..., object] | None = None, args: tuple[object, ...] = ()) -> bool:
    return st.button(
        label, icon=icon, disabled=action.why_not is not None, help=action.why_not or help_text, on_click=on_click, args=args, key=f"act-{action.name}"
    )


@guarded("transactions:check")
def _check(actor: Actor, transaction_id: uuid.UUID) -> None:
    try:
        if payments.check_now(actor, transaction_id):
            st.toast("The biller is being asked.", icon=":material/help:")
        else:
            st.toast("It was asked less than ten seconds ago, or is being asked just now.", icon=":material/schedule:")
    except BillersError as error:
        st.session_state[f"refused-{transaction_id}"] = error.sentence


def _confirm_facts(one: Transaction) -> None:
    show_facts(
        {
            "Amount": f"**{amount(one.amount, one.currency)}**",
            "Customer": plain(one.customer_account_name or ""),
            "Account": f"{plain(one.account_number)}, {plain(one.biller_name)}",
            "Our reference": code(one.our_transaction_id),
            "Status": look(one.status).badge,
            "Submitted": f"{moment_text(one.created_at)}, {ago(one.created_at)}",
        },
        alt="The payment this is about",
    )


def _why_not(actor: Actor, one: Transaction, name: str, retried: bool = False) -> str | None:
    return next(action.why_not for action in payments.actions(actor, one, retried=retried) if action.name == name)


def _retry_step(actor: Actor, one: Transaction) -> None:
    """The original's details, then the question. The new payment has its own id, draft and references."""
    child = transactions.story(actor, one.id).child
    if child is not None:
        _elsewhere(id=child.our_transaction_id)
    with st.container(width=FORM_WIDTH):
        st.subheader("Pay this again?", anchor=False)
        show_telling(tell(one, plain))
        _confirm_facts(one)
        if why := _why_not(actor, one, "retry"):
            st.warning(f"It cannot be retried. {plain(why)}", icon=":material/block:")
        else:
            _retry_form(actor, one)
        _leave(one, "Leave it as it is")


def _retry_form(actor: Actor, one: Transaction) -> None:
    duplicate = st.session_state.get(f"duplicate-{one.id}")
    if duplicate:
        st.warning(plain(duplicate), title="The same amount was paid lately", icon=":material/content_copy:")
    with st.form(f"retry-{one.id}", border=False):
        if duplicate:
            st.text_input("Why a second payment?", key=f"retry-reason-{one.id}", max_chars=200, icon=":material/edit_note:", help="Kept with the payment.")
        complain(st.session_state.pop(f"refused-{one.id}", None))
        st.form_submit_button(
            f"Pay {amount(one.amount, one.currency)} again", type="primary", icon=":material/replay:", on_click=_retry, args=(one.id,), shortcut="Ctrl+Enter"
        )


@guarded("transactions:retry")
def _retry(actor: Actor, transaction_id: uuid.UUID) -> None:
    """One call. Ten clicks and two operators get the same child, and the next run of the page opens it."""
    try:
        payments.retry(actor, transaction_id, st.session_state.get(f"retry-reason-{transaction_id}"))
    except DuplicateSuspected as error:
        st.session_state[f"duplicate-{transaction_id}"] = error.sentence
    except BillersError as error:
        st.session_state[f"refused-{transaction_id}"] = error.sentence


def _cancel_step(actor: Actor, one: Transaction) -> None:
    with st.container(width=FORM_WIDTH):
        if Stage(one.stage) is Stage.CANCELLED:
            _elsewhere(id=one.our_transaction_id)
        st.subheader("Stop this payment?", anchor=False)
        _confirm_facts(one)
        complain(st.session_state.pop(f"refused-{one.id}", None))
        if why := _why_not(actor, one, "cancel"):
            st.warning(f"It cannot be cancelled. {plain(why)}", icon=":material/block:")
        else:
            st.button("Cancel the payment", type="primary", icon=":material/block:", on_click=_cancel, args=(one.id,), shortcut="Ctrl+Enter")
        _leave(one, "Let it go on")


@guarded("transactions:cancel_own")
def _cancel(actor: Actor, transaction_id: uuid.UUID) -> None:
    try:
        payments.cancel(actor, transaction_id)
    except BillersError as error:
        st.session_state[f"refused-{transaction_id}"] = error.sentence


def _leave(one: Transaction, label: str) -> None:
    if st.button(label, icon=":material/arrow_back:", type="tertiary"):
        _elsewhere(id=one.our_transaction_id)
