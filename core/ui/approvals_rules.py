"""The rules of who decides alone: a table of what stands, and, for administrators, a change of one proposed. Another administrator decides it."""

from collections.abc import Sequence

import streamlit as st

from core.access import Actor
from core.models.approval_rules import ANY, Duplicates
from core.money import MINOR_UNITS
from core.repositories.approval_rules import Said, Scope
from core.services import approval_rules
from core.services.approval_rules import NOTHING, SAYS, Change, Content, Rules, Standing, content_of
from core.services.proposals import LONGEST_REASON
from core.ui.approvals_wider import DUPLICATES, SAYING, said
from core.ui.notices import DONE, attempt, show_notices
from core.ui.pieces import FORM_WIDTH
from core.ui.session import guarded
from core.ui.tables import short_moment

ROLE, BILLER, CURRENCY, REASON = "rule-role", "rule-biller", "rule-currency", "rule-reason"

NOT_SAID, SILENT = "", "says nothing"


def show(actor: Actor) -> None:
    found = approval_rules.standing(actor)
    st.markdown(
        "Of what the rules say about one thing the most specific counts: a biller's before a role's, and both before *any*. A limit in a biller's own"
        " configuration still holds where it is smaller."
    )
    show_notices()
    if found.standing:
        st.table([_line(found, one) for one in found.standing], border="horizontal", hide_index=True, alt="The rules that stand, the most general first")
    else:
        st.info("Only the limit in each biller's own configuration says when a second person decides.", title="There are no rules yet", icon=":material/rule:")
    scope = _choose(actor, found)
    now = next((one for one in found.standing if one.scope == scope), None)
    if actor.may("approvals:rules"):
        _form(scope, now)
    _history(approval_rules.history(actor, scope))


def _line(found: Rules, one: Standing) -> dict[str, str]:
    currency = one.scope.currency
    return {
        "Role": found.roles.get(one.scope.role, one.scope.role) or "Any",
        "Biller": found.billers.get(one.scope.biller_type, one.scope.biller_type) or "Any",
        **{SAYING[name]: said(one.content, name, currency) for name in SAYS},
        "Version": f"{one.version}{' · a change waits' if one.waits else ''}",
    }


def _choose(actor: Actor, found: Rules) -> Scope:
    st.subheader("Propose a change" if actor.may("approvals:rules") else "What a rule said before", anchor=False)
    with st.container(horizontal=True, width=FORM_WIDTH):
        role = st.selectbox("Role", [ANY, *found.roles], format_func=lambda code: found.roles[code] if code else "Any role", key=ROLE)
        biller = st.selectbox("Biller", [ANY, *found.billers], format_func=lambda code: found.billers[code] if code else "Any biller", key=BILLER)
        currency = st.selectbox("Currency", list(MINOR_UNITS), key=CURRENCY, width=120)
    return Scope(role or ANY, biller or ANY, currency or next(iter(MINOR_UNITS)))


def _form(scope: Scope, now: Standing | None) -> None:
    if now and now.waits:
        st.info("A change of this rule waits for another administrator, under *Mine to decide*.", icon=":material/group:")
        return
    content, key = now.content if now else NOTHING, _key(scope, now)
    with st.form(f"rule-{key}", width=FORM_WIDTH):
        _amount("pays_alone", content, key, "Above this a payment waits for a second person. Empty: the rule says nothing about it.")
        st.selectbox(
            SAYING["duplicates"],
            [NOT_SAID, *DUPLICATES],
            index=[NOT_SAID, *DUPLICATES].index(content["duplicates"] or NOT_SAID),
            format_func=lambda value: DUPLICATES[value] if value else SILENT,
            key=f"rule-duplicates-{key}",
            help="The same amount to the same account, a short while after the first.",
        )
        _amount("duplicates_above", content, key, "0: every second payment of the same bill.")
        _amount("bulk_rows", content, key, "An act on more payments than this waits as a whole. Stopping payments never waits.")
        _amount("bulk_sum", content, key, "An act on payments of more than this in all waits as a whole.")
        st.text_input("Why?", key=f"{REASON}-{key}", max_chars=LONGEST_REASON, icon=":material/edit_note:", help="Whoever decides goes by it, and it is kept.")
        st.caption("Another administrator decides. Until then nothing changes.")
        st.form_submit_button("Propose a change", type="primary", icon=":material/group:", on_click=_propose, args=(scope, key))


def _amount(name: str, content: Content, key: str, means: str) -> None:
    value = content[name]
    st.text_input(SAYING[name], value="" if value is None else str(value), key=f"rule-{name}-{key}", max_chars=24, placeholder=SILENT, help=means)


def _key(scope: Scope, now: Standing | None) -> str:
    """Other fields for another rule, and once it says something else: what was typed over one is not typed over the other."""
    return f"{scope.subject}-{now.version if now else 0}"


def _history(versions: Sequence[Said]) -> None:
    if not versions:
        return
    st.subheader("Its versions", anchor=False, help="The newest first. A version is never changed.")
    st.dataframe(
        [
            {
                "Version": str(one.rule.version),
                "Since": short_moment(one.rule.at),
                **{SAYING[name]: said(content_of(one.rule), name, one.rule.currency) for name in SAYS},
                "Proposed by": one.by,
                "Approved by": one.approved_by,
                "Why": one.reason,
            }
            for one in versions
        ],
        hide_index=True,
        alt="The versions of this rule, the newest first",
    )


@guarded("approvals:rules")
def _propose(actor: Actor, scope: Scope, key: str) -> None:
    state = st.session_state
    typed = {name: str(state.get(f"rule-{name}-{key}") or "") for name in SAYS if name != "duplicates"}
    duplicates = state.get(f"rule-duplicates-{key}")

    def act() -> str:
        change = Change(duplicates=Duplicates(duplicates) if duplicates else None, **typed)
        approval_rules.propose(actor, scope, change, state.get(f"{REASON}-{key}"))
        return "It is proposed: another administrator decides."

    attempt(act)
    if DONE in state:
        state.pop(f"{REASON}-{key}", None)
