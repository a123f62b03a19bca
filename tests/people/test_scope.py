"""A person who sees some billers: of the others no way in shows a row, a figure or a name. Every service that a person calls is walked, none forgotten."""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

import core.services
from core import clock, db
from core.access import OF_ALL_BILLERS, PERMISSIONS, Actor
from core.errors import BillersError, NotAllowed, NotFound
from core.ids import new_id
from core.models import Base, Break, Transaction
from core.models.bulk import BulkKind
from core.models.reports import ReportFormat, ReportKind
from core.repositories.approval_rules import Scope
from core.repositories.filters import TransactionFilter
from core.repositories.statistics import Grain
from core.repositories.transactions import Cursor, Page
from core.services import (
    approval_rules,
    approvals,
    billers,
    bulk,
    core_banking,
    drafts,
    exports,
    lookups,
    my_day,
    payments,
    reports,
    statistics,
    tokens,
    transactions,
    wider_approvals,
)
from core.services.asked import Asked
from core.services.bulk import Promise, Selection
from core.services.scope import NO_BILLER, narrowed
from core.services.transactions import NO_ID
from core.settings import CHECKOUT
from core.states import Stage
from core.ui.keeping import BY_BILLERS
from core.wire.contract import Outcome
from tests.payments.bench import CODE, Bench
from tests.payments.conftest import bench, shared_bench  # noqa: F401 - fixtures
from tests.receipts.conftest import Counter, counter  # noqa: F401 - fixtures
from tests.world import SetEnvironment

OWN = "MASM"
RULE = Scope("", CODE, "MWK")
REASON = "for the test of who sees what"


@dataclass
class House:
    """What happened at one biller, and somebody who is there for another one only."""

    scoped: Actor
    # The same person, limited to nothing.
    whole: Actor
    paid: Transaction
    failed: uuid.UUID
    queued: uuid.UUID
    review: uuid.UUID
    proposal: uuid.UUID
    wider: uuid.UUID
    broken: uuid.UUID
    draft: uuid.UUID
    act: uuid.UUID
    export: uuid.UUID
    report: uuid.UUID

    @property
    def of_all(self) -> TransactionFilter:
        return statistics.of_days(self.day, self.day)

    @property
    def day(self) -> Any:
        return clock.business_day(clock.now(), statistics.business_zone())


@pytest.fixture
def house(counter: Counter) -> House:  # noqa: F811
    made: Bench = counter.bench
    paid = counter.sell()
    made.pay()
    made.answer(Outcome.CONFIRMED, duration_ms=40)
    failed, review, queued = made.paid_to(Stage.FAILED), made.paid_to(Stage.REVIEW), made.pay()
    everything = replace(counter.limbani, permissions=frozenset(PERMISSIONS), proved_at=clock.now())
    other = replace(made.add_person("manager"), permissions=frozenset(PERMISSIONS), proved_at=clock.now())
    proposal = approvals.propose_waiver(other, review, REASON)
    with db.unit_of_work() as session:
        broken = Break(id=new_id(), transaction_id=failed, leg="PAY", kind="LATE_SUCCESS", told="The biller says otherwise by now.")
        session.add(broken)
    draft = made.draft(actor=everything)
    ran = bulk.dry_run(other, BulkKind.CANCEL, Selection((queued,)))
    act = bulk.start(other, BulkKind.CANCEL, Selection((queued,)), None, ran.eligible)
    # An act on many is held by a rule at this biller, and a further change of the rule is proposed. What an earlier test said of it is gone.
    made.sql("ALTER TABLE approval_rules DISABLE TRIGGER USER")
    made.sql("DELETE FROM approval_rules")
    made.sql("ALTER TABLE approval_rules ENABLE TRIGGER USER")
    made.sql("UPDATE wider_proposals SET decision = 'expired', decided_at = now() WHERE decision = 'open'")
    said = approval_rules.propose(other, RULE, approval_rules.Change(bulk_rows="0"), REASON)
    wider_approvals.approve(everything, said.id)
    again = bulk.dry_run(other, BulkKind.RETRY, Selection((failed,)))
    held = bulk.start(other, BulkKind.RETRY, Selection((failed,)), REASON, again.eligible)
    (wider,) = [one.id for one in wider_approvals.waiting(everything) if one.proposal.subject == str(held)]
    approval_rules.propose(everything, RULE, approval_rules.Change(bulk_rows="1"), REASON)
    taken = exports.begin(other, Asked(), exports.Profile.DATA)
    taken.end()
    reports.take(other, ReportKind.DAILY, clock.business_day(clock.now(), statistics.business_zone()).isoformat(), ReportFormat.CSV)
    scoped = replace(everything, billers=frozenset({OWN}))
    report = reports.latest(other, 1)[0].id
    return House(scoped, everything, made.find(paid), failed, queued, review, proposal, wider, broken.id, draft, act, taken.id, report)


# ---- What each service is asked, and what somebody of another biller is told

# Not there: as if the reference had been mistyped.
NOT_THERE: Mapping[str, Callable[[House], tuple[Any, ...]]] = {
    "transactions.find": lambda h: (h.paid.id,),
    "transactions.story": lambda h: (h.paid.id,),
    "transactions.by_reference": lambda h: (h.paid.our_transaction_id,),
    "transactions.see_to": lambda h: (h.broken, REASON),
    "payments.submit": lambda h: (h.draft,),
    "payments.retry": lambda h: (h.failed,),
    "payments.cancel": lambda h: (h.queued,),
    "payments.check_now": lambda h: (h.review,),
    "approvals.about": lambda h: (h.paid.id,),
    "approvals.ways": lambda h: (h.review,),
    "approvals.propose_resolution": lambda h: (h.review, "NOT_PAID", REASON, None, REASON),
    "approvals.propose_reversal": lambda h: (h.paid.id, REASON),
    "approvals.propose_waiver": lambda h: (h.review, REASON),
    "approvals.approve": lambda h: (h.proposal,),
    "approvals.reject": lambda h: (h.proposal, REASON),
    "wider_approvals.about": lambda h: (h.paid.id,),
    "wider_approvals.approve": lambda h: (h.wider,),
    "wider_approvals.reject": lambda h: (h.wider, REASON),
    "wider_approvals.withdraw": lambda h: (h.wider,),
    "approvals.withdraw": lambda h: (h.proposal,),
    "tokens.reveal": lambda h: (h.paid.id, REASON),
    "tokens.wants_reason": lambda h: (h.paid,),
    "receipts.print_receipt": lambda h: (h.paid.id, REASON),
    "receipts.standing": lambda h: (h.paid,),
    "lookups.ask": lambda _: (CODE, "70000001"),
    "lookups.ask_invoice": lambda _: (CODE, "70000001"),
    "lookups.ask_bundles": lambda _: (CODE, "70000001"),
    "debits.dry_run": lambda _: (CODE, "2010000001", "100.00"),
    "debits.resume": lambda h: (h.queued,),
    "drafts.freeze": lambda h: (drafts.begin(h.whole, drafts.find(h.whole, h.draft).form).id,),
    "bulk.dry_run": lambda h: (BulkKind.CANCEL, Selection((h.queued,))),
    "bulk.start": lambda h: (BulkKind.CANCEL, Selection((h.queued,)), None, Promise(new_id(), 1, (), "")),
    "bulk.stop": lambda h: (h.act,),
    "bulk.progress": lambda h: (h.act,),
    "bulk.results": lambda h: (h.act,),
    "exports.kept": lambda h: (h.export,),
    "reports.take_kept": lambda h: (h.report, ReportFormat.CSV),
}

# Nothing of it: an answer in which the other biller does not occur, though it does in that of somebody who sees all.
NOTHING_OF_IT: Mapping[str, Callable[[House], tuple[Any, ...]]] = {
    "transactions.list_page": lambda h: (h.of_all,),
    "transactions.list_counted": lambda h: (h.of_all,),
    "transactions.jump": lambda h: (h.of_all, 2, 25),
    "transactions.since": lambda h: (h.of_all, Cursor(h.paid.created_at - timedelta(hours=1), NO_ID), Page((), None, None, h.paid.created_at, horizon=0)),
    "transactions.widest": lambda _: (TransactionFilter(billers=(CODE,), reference="NOBODY"),),
    "transactions.suggest": lambda h: (h.paid.account_number[:6],),
    "transactions.pulse": lambda _: (),
    "statistics.totals": lambda h: (h.of_all,),
    "statistics.counted": lambda h: (h.of_all,),
    "statistics.over_time": lambda h: (h.of_all, Grain.DAY),
    "statistics.heat": lambda h: (h.of_all,),
    "statistics.answer_times": lambda h: (h.of_all,),
    "statistics.failure_reasons": lambda h: (h.of_all,),
    "statistics.kpis": lambda _: (),
    "statistics.attention": lambda _: (),
    "statistics.overview": lambda _: (1,),
    "statistics.biller_titles": lambda _: (),
    "analytics.analysis": lambda h: (h.of_all, Grain.DAY),
    "analytics.compared": lambda h: (h.of_all, h.of_all),
    "exports.announced": lambda _: (Asked(),),
    "exports.counted": lambda _: (Asked(),),
    "exports.lately": lambda _: (),
    "reports.read": lambda h: (ReportKind.DAILY, h.day.isoformat()),
    "reports.latest": lambda _: (10,),
    "billers.list_billers": lambda _: (),
    "billers.biller_names": lambda _: (),
    "billers.short_names": lambda _: (),
    "approvals.overview": lambda _: (),
    "banners.look": lambda _: (),
    "wider_approvals.waiting": lambda _: (),
    "wider_approvals.decided": lambda _: (),
    "wider_approvals.own": lambda _: (),
    "wider_approvals.count_for": lambda _: (),
    "approval_rules.standing": lambda _: (),
    "approval_rules.history": lambda _: (RULE,),
    "bulk.lately": lambda _: (),
    "lookups.recent_lookups": lambda _: (),
    "lookups.last_biller": lambda _: (),
    "lookups.recent_accounts": lambda _: (CODE,),
}

# Who is told of what, and by which way.
TELLING = (
    *("replay", "keep_mail_server", "keep_gateway", "add_webhook", "new_key", "switch_channel", "send_test", "subscriptions", "choices", "subscribe"),
    *("unsubscribe", "addressees", "change_address", "words", "preview", "change_words", "restore_words"),
)

# Of all billers together: not for somebody who sees some.
OF_ALL_TOGETHER: Mapping[str, Callable[[House], tuple[Any, ...]]] = {
    "reports.change_schedule": lambda _: (ReportKind.DAILY,),
    "reopening.closings": lambda _: (),
    "metrics.tell": lambda _: (),
    "reopening.sign_off": lambda _: ("Everything was compared with the statements.",),
    # Refused before it is looked at what is asked.
    **dict.fromkeys((f"notifications.{act}" for act in TELLING), lambda _: ()),
    "alerts.change_threshold": lambda _: (),
    "approval_rules.propose": lambda _: (RULE, approval_rules.Change(), REASON),
    "alerts.remove_threshold": lambda _: (),
}
KEYWORDS: Mapping[str, Mapping[str, Any]] = {"reports.change_schedule": {"is_on": True, "hour": 6, "formats": [ReportFormat.CSV]}}

# What the answer comes to for somebody who sees all, where no name of a biller stands in it.
COMES_TO: Mapping[str, Callable[[Any], Any]] = {
    "transactions.jump": lambda found: found,
    "transactions.since": lambda found: found.new,
    "transactions.pulse": lambda found: found.in_doubt + found.queued,
    "statistics.counted": lambda found: found.rows,
    "statistics.heat": lambda found: len(found),
    "statistics.kpis": lambda found: found.ended + found.calls,
    "exports.announced": lambda found: found.rows,
    "exports.counted": lambda found: found.rows,
    "exports.lately": len,
    "bulk.lately": len,
    "banners.look": lambda found: found.waiting,
    "wider_approvals.count_for": lambda found: found,
    "reports.latest": len,
}

# Beside those: why a service has nothing to hide from somebody who sees some billers.
UNCONCERNED: Mapping[str, str] = {
    "approvals.approve_all": "each by itself, as `approvals.approve`: tests/approvals",
    "transactions.jump_to_day": "a place in time, whatever stands there",
    "statistics.mark": "that something changed, and nothing of what",
    "my_day.mark": "that something changed, and nothing of what",
    "my_day.of_day": "what one did oneself: the till is balanced with all that lies in it",
    "my_day.print_sheet": "what one did oneself: the till is balanced with all that lies in it",
    "balances.ask": "an account at the bank, and of no biller",
    "billers.sandbox_accounts": "tested by itself: there are none outside sandbox mode",
    "drafts.begin": "one's own form, whose biller is asked for when it is looked through",
    "drafts.find": "one's own form, as one typed it",
    "drafts.save": "one's own form, whose biller is asked for when it is looked through",
    "drafts.charge": "one's own form, whose biller is asked for when it is looked through",
    "tokens.opened": "tested by itself: it stands inside another service's unit of work",
    "exports.begin": "tested by itself: it streams",
    "exports.cancel": "one's own",
    "reports.take": "tested by itself: it makes a file",
    "reports.changes_since": "reports that one was shown, and one is shown none",
    "reports.schedules": "hours of the clock",
    "notifications.log": "tested by itself: tests/notifications",
    "notifications.attempts": "tested by itself: tests/notifications",
    "notifications.channels": "by which ways people are told, and nothing of what",
    "alerts.history": "tested by itself: tests/notifications",
    "alerts.thresholds": "tested by itself: tests/notifications",
    "attention.away": "tested by itself: tests/attention",
    "attention.put_off": "tested by itself: tests/attention",
    "attention.take_up": "tested by itself: tests/attention",
    "statements.look": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "statements.load": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "reconciliation.overview": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "reconciliation.of_day": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "reconciliation.items": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "reconciliation.of_file": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "reconciliation.why_no_proposal": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "reconciliation.candidates": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "reconciliation.explain": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "reconciliation.hand_on": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "reconciliation.keep_as_break": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "reconciliation.explain_all": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "reconciliation.keep_all_as_breaks": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "reconciliation.pair": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "reconciliation.propose": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "reconciliation.propose_all": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "day_closes.sign_off": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "day_closes.reopen": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "day_closes.sheet": "tested by itself: tests/reconciliation walks it with statements of two billers",
    "day_closes.differences": "tested by itself: tests/reconciliation walks it with statements of two billers",
}

# Services of modules that have nothing of billers' customers in them: people, their words and their rights, and the record over all of it.
WITHOUT_BILLERS: Mapping[str, str] = {
    "views": "filters under names, whose rows are asked for under one's own name",
    "staff": "who may do what",
    "own_account": "one's own password and browsers",
    "roles": "who may do what",
    "api_tokens": "who may do what",
    "proofs": "one's own proofs",
    "configurations": "all billers' addresses and limits, for whoever configures",
    "configuration_approvals": "all billers' addresses and limits, for whoever decides about them",
    "connection_tests": "all billers' addresses and limits, for whoever configures",
    "audit": "the record of everybody's acts, for whoever may read all of it",
    "audit_checks": "the record of everybody's acts, for whoever may read all of it",
    "audit_exports": "the record of everybody's acts, for whoever may read all of it",
    "audit_heads": "the record of everybody's acts, for whoever may read all of it",
    "jobs": "work in the background of all billers together, which somebody who sees some may not look after: tests/jobs",
    "vault_keys": "keys, and nothing that is locked with them",
}

# Rights to things of one's own, of which no biller's customer is a part.
THEIR_OWN = frozenset({"people:sign_in", "views:save", "views:manage", "transactions:read", "api:tokens"})

WALKED = {**NOT_THERE, **NOTHING_OF_IT, **OF_ALL_TOGETHER}


def _services() -> dict[str, Callable[..., Any]]:
    found = {}
    for one in pkgutil.iter_modules(core.services.__path__):
        module = importlib.import_module(f"core.services.{one.name}")
        for name, service in inspect.getmembers(module, inspect.isfunction):
            if service.__module__ == module.__name__ and hasattr(service, "needs"):
                found[f"{one.name}.{name}"] = service
    return found


SERVICES = _services()


def _ask(house: House, name: str, actor: Actor) -> Any:
    return SERVICES[name](actor, *WALKED[name](house), **KEYWORDS.get(name, {}))


def _words(value: Any, depth: int = 0) -> Iterable[str]:
    """Everything that an answer says, however deep."""
    if depth > 8:
        return
    if isinstance(value, Base):
        yield from _words({column.key: getattr(value, column.key) for column in value.__table__.columns}, depth + 1)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from _words({one.name: getattr(value, one.name) for one in dataclasses.fields(value)}, depth + 1)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _words(key, depth + 1)
            yield from _words(one, depth + 1)
    elif isinstance(value, str | bytes):
        yield value if isinstance(value, str) else value.decode(errors="replace")
    elif isinstance(value, Iterable):
        for one in value:
            yield from _words(one, depth + 1)
    else:
        yield str(value)


def _tells_of(house: House, value: Any) -> bool:
    return any(word in said for said in _words(value) for word in (CODE, "Lilongwe", house.paid.our_transaction_id, house.paid.account_number))


def test_every_service_is_walked_or_has_its_reason() -> None:
    told = set(WALKED) | set(UNCONCERNED)
    assert {name for name in SERVICES if name.partition(".")[0] not in WITHOUT_BILLERS} == told


def test_what_is_of_another_biller_is_not_there(house: House) -> None:
    shown = []
    for name in NOT_THERE:
        try:
            shown.append((name, _ask(house, name, house.scoped)))
        except NotFound:
            pass
        except BillersError as error:
            shown.append((name, error))
    assert shown == []
    # The same question by the same person, limited to nothing, is answered, or refused for another reason.
    missing = []
    for name in NOT_THERE:
        try:
            _ask(house, name, house.whole)
        except NotFound:
            missing.append(name)
        except BillersError:
            pass
    assert missing == []


def test_nothing_of_another_biller_is_told(house: House) -> None:
    for name in NOTHING_OF_IT:
        hidden, told = _ask(house, name, house.scoped), _ask(house, name, house.whole)
        assert not _tells_of(house, hidden), name
        if name in COMES_TO:
            if name != "transactions.jump":
                assert not COMES_TO[name](hidden), name
                assert COMES_TO[name](told), name
        else:
            assert _tells_of(house, told), f"{name} would tell nobody of it"


def test_what_is_of_all_billers_together_is_for_whoever_sees_them_all(house: House) -> None:
    for name in OF_ALL_TOGETHER:
        with pytest.raises(NotAllowed):
            _ask(house, name, house.scoped)


def test_a_limited_persons_role_gives_no_right_over_all_billers(house: House) -> None:
    assert house.whole.permissions - house.scoped.permissions == OF_ALL_BILLERS
    assert {SERVICES[name].needs for name in SERVICES if name.partition(".")[0] in WITHOUT_BILLERS} <= OF_ALL_BILLERS | THEIR_OWN


def test_a_file_of_transactions_holds_ones_own_billers_only(house: House) -> None:
    def taken(actor: Actor, asked: Asked) -> tuple[str, str]:
        running = exports.begin(actor, asked, exports.Profile.DATA)
        try:
            return b"".join(iter(running.next_block, b"")).decode(), running.words
        finally:
            running.end()

    text, words = taken(house.scoped, Asked())
    assert CODE not in text
    assert "Medical Aid" in words
    assert CODE in taken(house.whole, Asked())[0]
    assert CODE not in taken(house.scoped, Asked(billers=(CODE,)))[0]


def test_a_report_is_of_ones_own_billers_says_so_and_is_kept_for_nobody(house: House) -> None:
    before = len(reports.latest(house.whole, 50))
    made = reports.take(house.scoped, ReportKind.DAILY, house.day.isoformat(), ReportFormat.CSV).content.decode()
    assert CODE not in made
    assert "only" in made
    assert len(reports.latest(house.whole, 50)) == before
    assert CODE in reports.take(house.whole, ReportKind.DAILY, house.day.isoformat(), ReportFormat.CSV).content.decode()


def test_a_token_is_not_opened_within_another_service_either(house: House) -> None:
    with db.unit_of_work() as session, pytest.raises(NotFound):
        tokens.opened(house.scoped, session, house.paid, REASON, on="receipt")
    with db.unit_of_work() as session:
        assert tokens.opened(house.whole, session, house.paid, REASON, on="receipt")


def test_ones_own_biller_is_all_there(house: House) -> None:
    theirs = replace(house.scoped, billers=frozenset({CODE}))
    assert transactions.find(theirs, house.paid.id).id == house.paid.id
    assert {row.biller_type for row in transactions.list_page(theirs, house.of_all).rows} == {CODE}
    assert set(billers.biller_names(theirs)) == {CODE}
    assert statistics.totals(theirs, house.of_all).rows == statistics.totals(house.whole, house.of_all).rows
    assert payments.cancel(theirs, house.queued) is None
    assert lookups.ask(theirs, CODE, "70000001")


def test_what_one_did_before_stands_on_ones_own_day(house: House) -> None:
    seller = replace(house.scoped, id=house.paid.initiated_by)
    assert any(row.id == house.paid.id for row in my_day.of_day(seller).rows)


def test_a_filter_of_another_biller_holds_nothing_and_not_everything() -> None:
    actor = Actor(None, "grace", "Grace", "operator", frozenset(), billers=frozenset({"MASM", "TNM_BUNDLES"}))
    assert narrowed(actor, TransactionFilter()).billers == ("MASM", "TNM_BUNDLES")
    assert narrowed(actor, TransactionFilter(billers=("MASM", CODE))).billers == ("MASM",)
    assert narrowed(actor, TransactionFilter(billers=(CODE,))).billers == (NO_BILLER,)
    assert narrowed(replace(actor, billers=frozenset()), Asked()).billers == (NO_BILLER,)
    assert narrowed(replace(actor, billers=None), TransactionFilter(billers=(CODE,))).billers == (CODE,)


def test_the_sandboxs_accounts_are_those_of_ones_own_billers(set_environment: SetEnvironment) -> None:
    set_environment(billers_sandbox="true")
    actor = Actor(None, "grace", "Grace", "operator", frozenset({"billers:read"}), billers=frozenset({OWN}))
    theirs, everybodys = ({one.biller for one in billers.sandbox_accounts(one)} for one in (actor, replace(actor, billers=None)))
    assert OWN in theirs
    assert CODE in everybodys
    assert theirs == {OWN, core_banking.CODE}


def test_nothing_that_is_kept_for_one_person_is_shown_to_another_who_sees_other_billers() -> None:
    """What Streamlit keeps for everybody has the person's billers in its key; a parameter that begins with an underscore would not be in it."""
    kept = []
    for path in sorted((CHECKOUT / "core" / "ui").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            decorators = [ast.unparse(one) for one in node.decorator_list if "cache_" in ast.unparse(one)]
            for decorator in decorators:
                kept.append(f"{path.stem}.{node.name}")
                names = [argument.arg for argument in node.args.args]
                assert "actor" in names, f"{kept[-1]} is kept for everybody"
                assert "hash_funcs=BY_BILLERS" in decorator, f"{kept[-1]} does not tell people apart"
    assert "transaction_list._read" in kept
    assert "dashboard_view._board" in kept


def test_people_who_see_the_same_billers_share_what_is_kept_and_others_do_not() -> None:
    whole = Actor(None, "grace", "Grace", "operator", frozenset())
    seen = [
        BY_BILLERS[Actor](replace(whole, billers=billers)) for billers in (None, frozenset({"A", "B"}), frozenset({"B", "A"}), frozenset({"A"}), frozenset())
    ]
    assert seen[1] == seen[2]
    assert len({str(one) for one in seen}) == 4
