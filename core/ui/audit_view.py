"""The record on the screen: a box to search it by, its entries newest first, one entry in full, and the verification of its chain. All of it in the address."""

from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from core.access import Actor
from core.errors import NotFound
from core.models import AuditEntry
from core.repositories.audit_entries import Place
from core.services import audit, audit_checks, audit_heads, audit_words
from core.services.audit import MOST_COUNTED, Asked, Page
from core.services.audit_checks import Check
from core.services.search_words import LONGEST_LINE
from core.ui import audit_looks
from core.ui.pieces import CONFIGURATIONS, PEOPLE, TRANSACTIONS, code, link_to, show_facts, turn_to
from core.ui.session import guarded, guarded_fragment
from core.ui.tables import ROW_PIXELS
from core.ui.words import ago, as_of, moment_text, plain

# In the address: the box's line, one object, one entry, and the place among the pages.
LINE, SUBJECT, ENTRY, OLDER, NEWER = "q", "subject", "entry", "older", "newer"

BOX, PILLS, GRID, OPENED = "audit-line", "audit-groups", "audit-entries", "audit-opened"

MOST_PIXELS = 1_800

# How often a verification that runs is looked at.
LOOK_SECONDS = 1

# Where an object has a page of its own: which, by what in its address, and who may open it.
PAGES = {
    "transaction": (TRANSACTIONS, "id", "transactions:read", "The transaction", ":material/receipt_long:"),
    "biller": (CONFIGURATIONS, "id", "billers:configure", "The configuration", ":material/tune:"),
    "user": (PEOPLE, "person", "people:read", "The person", ":material/group:"),
}


def show(actor: Actor) -> None:
    subject = st.query_params.get(SUBJECT, "")
    if subject:
        _title_of_one(actor, subject)
    else:
        st.title("Audit", anchor=False)
    _box(subject)
    asked = _asked()
    page = audit.look(actor, asked)
    for complaint in page.complaints:
        st.error(plain(complaint), icon=":material/error:")
    if not page.complaints:
        _toolbar(page, asked)
        _grid(page)
        _pages(page)
    if not subject:
        st.divider()
        _verification(actor)


def _asked() -> Asked:
    place = None
    for name in (OLDER, NEWER):
        said = st.query_params.get(name, "")
        if said.isascii() and said.isdigit() and len(said) < 19:
            place = Place(int(said), to_newer=name == NEWER)
    return Asked(st.query_params.get(LINE, ""), st.query_params.get(SUBJECT, ""), place)


def _around(**changed: str) -> dict[str, str]:
    """The address with this changed; what is empty is left out, and the place goes with any change of what is looked for."""
    kept = {name: st.query_params.get(name, "") for name in (LINE, SUBJECT)}
    return {name: value for name, value in {**kept, **changed}.items() if value}


def _title_of_one(actor: Actor, subject: str) -> None:
    kind, _, which = subject.partition(":")
    if st.button("The whole record", icon=":material/arrow_back:", type="tertiary"):
        turn_to()
    name = audit.name_of(actor, subject)
    st.title(plain(f"{kind.replace('_', ' ').capitalize()} {name}"), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("What was done to it, by whomever.")
        _link_to_page(actor, kind, which)
        if kind == "user" and st.button("What this person did", icon=":material/person_search:", type="tertiary"):
            turn_to(**{LINE: audit_words.written(audit_words.WHO, name)})


def _link_to_page(actor: Actor, kind: str, which: str) -> None:
    if kind in PAGES:
        page, parameter, permission, label, icon = PAGES[kind]
        if actor.may(permission) and page.exists():
            link_to(page, label, icon, **{parameter: which})


# ---- The box


def _box(subject: str) -> None:
    line = st.query_params.get(LINE, "")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        typed = st.text_input(
            "Search the record",
            value=line,
            # Another address is another box: it never shows what stood in the one before.
            key=f"{BOX}-{line}",
            placeholder="who:grace action:session since:7d lost slip",
            icon=":material/search:",
            max_chars=LONGEST_LINE,
        )
        with st.popover("Words", icon=":material/help:", help="What the box understands."):
            for name, (means, examples) in audit_words.QUALIFIERS.items():
                if not (subject and name == audit_words.ABOUT):
                    st.markdown(f"**{name}:** {means} " + ", ".join(code(f"{name}:{example}") for example in examples))
            st.markdown("Anything else is looked for in the details, each word by itself; in quotation marks letter by letter.")
    if typed.strip() != line:
        turn_to(**_around(**{LINE: typed.strip()}))
    if not subject:
        _pills(line)


def _pills(line: str) -> None:
    lines = {label: f"{audit_words.ACTION}:{begins}" for label, begins in audit_looks.GROUPS.items()}
    shown = next((label for label, said in lines.items() if said == line), None)
    picked = st.pills("Kinds of acts", list(lines), default=shown, key=f"{PILLS}-{line}", label_visibility="collapsed")
    if picked != shown:
        turn_to(**_around(**{LINE: lines[picked] if picked else ""}))


# ---- The entries


def _toolbar(page: Page, asked: Asked) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{_how_many(page)}**, newest first, {as_of()}" if page.entries else f"Nothing, {as_of()}")
        address = {name: value for name, value in ((LINE, asked.line), (SUBJECT, asked.subject)) if value}
        st.link_button(
            "Export CSV",
            f"/export/audit.csv?{urlencode(address)}",
            icon=":material/download:",
            help="Everything that is found here, not only this page. That it was taken is on the record itself.",
        )


def _how_many(page: Page) -> str:
    if page.count is None:
        return "Entries"
    if page.count >= MOST_COUNTED:
        return f"More than {MOST_COUNTED:,} entries"
    return f"{page.count:,} entr{'y' if page.count == 1 else 'ies'}"


def _grid(page: Page) -> None:
    if not page.entries:
        if page.looked_back_to is None:
            st.info("Nothing on the record is like that. Take a word out, or look in more days.", icon=":material/search_off:")
        return
    frame = pd.DataFrame(
        {"When": [moment_text(entry.at) for entry in page.entries], **audit_looks.columns(page.entries, page.names)},
        dtype=object,
    )
    text = st.column_config.TextColumn
    st.dataframe(
        frame,
        column_config={
            "When": st.column_config.ButtonColumn(width=175, type="tertiary", alignment="left", key=OPENED, help="A click shows the whole entry."),
            "Who": text(width=95),
            "What": text(width=165),
            "About": text(width=205),
            "Details": text(width=260),
            "From": text(width=95, help="The address it was asked from."),
        },
        hide_index=True,
        row_height=ROW_PIXELS,
        height=min(ROW_PIXELS * (len(page.entries) + 1) + 3, MOST_PIXELS),
        key=GRID,
        alt="Entries of the audit, newest first. The moment of one shows it in full",
    )
    clicked = st.session_state.get(OPENED)
    if clicked and clicked.row < len(page.entries):
        turn_to(**_around(**{ENTRY: str(page.entries[clicked.row].seq)}))


def _pages(page: Page) -> None:
    if page.looked_back_to is not None:
        st.caption(f"Looked back to {moment_text(page.looked_back_to)} so far.")
    with st.container(horizontal=True):
        if page.newer is not None and st.button("Newer", icon=":material/chevron_left:"):
            turn_to(**_around(**{NEWER: str(page.newer.seq)}))
        if page.older is not None:
            label = "Look further back" if page.looked_back_to is not None else "Older"
            if st.button(label, icon=":material/chevron_right:"):
                turn_to(**_around(**{OLDER: str(page.older.seq)}))


# ---- One entry


def show_entry(actor: Actor, asked: str) -> None:
    if st.button("The record", icon=":material/arrow_back:", type="tertiary", help="Back to the list, as it was."):
        turn_to(**_around())
    if not (asked.isascii() and asked.isdigit() and len(asked) < 19):
        raise NotFound("This address leads nowhere: part of it is missing. Start again from the menu.")
    found = audit.entry(actor, int(asked))
    entry = found.entry
    st.title(plain(audit_looks.action_text(entry.action)), anchor=False)
    show_facts(_facts(entry, found.name, found.is_sealed), alt="The entry: who, when, from where, about what")
    if changes := audit_looks.changes_of(entry.details):
        st.subheader("What changed", anchor=False)
        rows = pd.DataFrame([(plain(name), plain(before), plain(after)) for name, before, after in changes], columns=["Field", "Before", "After"], dtype=object)
        st.table(rows, border="horizontal", hide_index=True, alt="Each field before and after")
    if facts := audit_looks.facts_of(entry.details):
        st.subheader("Details", anchor=False)
        show_facts({plain(name): plain(value) for name, value in facts.items()}, alt="What else the entry says")
    with st.container(horizontal=True):
        if st.button("All about this", icon=":material/history:", help="Everything that was done to the same object."):
            turn_to(**{SUBJECT: f"{entry.subject_type}:{entry.subject_id}"})
        if st.button("All of this person", icon=":material/person_search:", help="Everything that was done under this name."):
            turn_to(**{LINE: audit_words.written(audit_words.WHO, entry.actor_name)})
        _link_to_page(actor, entry.subject_type, entry.subject_id)


def _facts(entry: AuditEntry, name: str | None, is_sealed: bool) -> dict[str, str]:
    return {
        "When": moment_text(entry.at),
        "Who": plain(entry.actor_name),
        "From": plain(entry.address or ""),
        "Action": code(entry.action),
        "About": f"{plain(entry.subject_type.replace('_', ' '))} {code(entry.subject_id)}" + (f" ({plain(name)})" if name else ""),
        "Number": f"{entry.seq:,}, " + ("sealed in the chain" if is_sealed else "waits to be sealed, which takes a second or two while a worker runs"),
    }


# ---- The chain


def _verification(actor: Actor) -> None:
    st.subheader("Is the record whole?", anchor=False)
    if not actor.may("audit:verify"):
        _last_verdict(actor)
        return
    check = audit_checks.standing(actor)
    runs = check is not None and not check.is_over
    guarded_fragment("audit:verify", run_every=LOOK_SECONDS if runs else None)(_check)(runs)


def _check(actor: Actor, ran: bool) -> None:
    check = audit_checks.standing(actor)
    if check is None:
        _last_verdict(actor)
    elif not check.is_over:
        st.progress(check.share, text=f"{check.done:,} of {check.of:,} entries verified" if check.of else "Reading the chain")
        st.caption(f"Begun {ago(check.begun_at)}. It goes on whether or not this page is open.")
        return
    elif ran:
        # Whole, and without looking any more.
        st.rerun()
    else:
        _tell(check)
    st.button("Verify", icon=":material/verified_user:", type="primary", on_click=_begin, help="Each entry and each line of a payment's story, one by one.")


@guarded("audit:verify")
def _begin(actor: Actor) -> None:
    audit_checks.begin(actor)


def _tell(check: Check) -> None:
    if check.verdict is None:
        st.error(plain(check.failed or ""), icon=":material/error:")
        return
    verdict = check.verdict
    if verdict.ok:
        st.success("Nothing was changed, removed or slipped in.", title="The record is whole", icon=":material/verified:")
    else:
        st.error(plain(verdict.sentence), title="The record was tampered with", icon=":material/gpp_bad:")
    bad = verdict.first_bad
    show_facts(
        {
            "First bad row": f"{plain(bad.table)} {f'row {bad.seq:,}' if bad.seq is not None else ''}" if bad else "",
            "At seal": f"{bad.number:,}" if bad and bad.number is not None else "",
            "Sealed": f"{verdict.sealed:,}",
            "Wait to be sealed": f"{verdict.unsealed:,}",
            "Head": code(verdict.head_hash),
            "Published heads": _heads_text(check.heads, verdict.ok),
            "Verified": f"{moment_text(check.begun_at)}, by {plain(check.by.username)}",
        },
        alt="What the verification found",
    )


def _heads_text(count: int, holds: bool) -> str:
    if not count:
        return f"none yet in {code(audit_heads.path().name)} on this machine: a tail that was written anew cannot be told"
    return f"all {count:,} hold" if holds else f"{count:,} were compared with"


def _last_verdict(actor: Actor) -> None:
    entry = audit_checks.last(actor)
    if entry is None:
        st.caption("Nobody has verified it from here yet.")
        return
    said = entry.details
    badge = ":green-badge[:material/verified: whole]" if said.get("whole") else ":red-badge[:material/gpp_bad: not whole]"
    st.markdown(f"{badge} {plain(said.get('sentence', ''))}")
    st.caption(f"Verified {ago(entry.at)} by {plain(entry.actor_name)}, {moment_text(entry.at)}.")
