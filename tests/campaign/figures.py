"""How much of everything a campaign is to have, what it had, and what was too little: one table, and the same as JSON."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.sandbox.faults import DRAWN
from tests.campaign.mortality import BETWEEN_CLAIM_AND_OUTCOME, BETWEEN_INTENT_AND_OUTCOME, POINTS
from tests.campaign.oracle import Report

# The design's promises, unscaled.
SETTLES_WITHIN_MINUTES = 15
ANSWERS_WITHIN_SECONDS = 3.0
MOST_REVIEW = 0.01

# At full size: 1,000 kills and 50 stops of the database in 20,000 payments. Less of everything for fewer payments, but never little.
PAYMENTS_A_KILL = 20
PAYMENTS_A_STOP = 400
FEWEST_KILLS_BETWEEN = 20


@dataclass(frozen=True)
class Plan:
    """How much of everything. The floors are what must be reached for the figures to mean anything."""

    payments: int = 300
    seed: int = 20_260_101
    # Share of calls that meet a fault.
    rate: float = 0.3
    # Payments a second.
    pace: float = 12.0
    faults_of_a_kind: int = 5

    @property
    def kills(self) -> int:
        """Workers killed between a claim and the commit of what came of it."""
        return max(FEWEST_KILLS_BETWEEN, self.payments // PAYMENTS_A_KILL)

    @property
    def kills_at_a_point(self) -> int:
        return max(1, self.kills // 40)

    @property
    def database_stops(self) -> int:
        return max(2, self.payments // PAYMENTS_A_STOP)

    @property
    def is_large(self) -> bool:
        return self.payments >= 1_000


@dataclass
class Figures:
    """What happened."""

    plan: Plan
    time_factor: str
    topologies: Mapping[str, int] = field(default_factory=dict)
    calls: int = 0
    calls_while_faulty: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    faults_at: Counter[str] = field(default_factory=Counter)
    # Own deaths by point, and those from outside under "".
    deaths: Counter[str] = field(default_factory=Counter)
    left_unanswered: int = 0
    operators_killed: int = 0
    database_stops: int = 0
    no_stops_because: str = ""
    inquiries: int = 0
    resends: int = 0
    lost_leases: int = 0
    opened_in_doubt: int = 0
    retries: int = 0
    reversals: int = 0
    reviews: Counter[str] = field(default_factory=Counter)
    answers: Sequence[float] = ()
    answers_away: int = 0
    seconds: float = 0.0
    paying_seconds: float = 0.0
    settled_after_seconds: float = 0.0
    busy: float = 0.0
    ledgers_mib: float = 0.0
    report: Report = field(default_factory=Report)

    # ---- What follows from it

    @property
    def settles_within_seconds(self) -> float:
        return SETTLES_WITHIN_MINUTES * 60 * float(self.time_factor)

    @property
    def kills_between(self) -> int:
        """Own deaths that were between claim and outcome by their point, and those from outside that left a call without an outcome."""
        own = sum(self.deaths[point] for point in BETWEEN_CLAIM_AND_OUTCOME)
        left_by_own = sum(self.deaths[point] for point in BETWEEN_INTENT_AND_OUTCOME)
        return own + max(0, min(self.left_unanswered - left_by_own, self.deaths[""]))

    def answer(self, share: float) -> float:
        """The answer that this share of all were not slower than."""
        ordered = sorted(self.answers)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def breaches(self) -> list[str]:
        """Every promise that does not hold."""
        report, found = self.report, []
        for name, sentences in (("double", report.double), ("lost", report.lost), ("wrong", report.wrong), ("unsettled", report.unsettled)):
            if sentences:
                found.append(f"{len(sentences)} {name}: {' | '.join(sentences[:20])}")
        if report.review > MOST_REVIEW * report.payments:
            found.append(f"{report.review} in REVIEW: more than {MOST_REVIEW:.0%}")
        if self.settled_after_seconds > self.settles_within_seconds:
            found.append(f"settled after {self.settled_after_seconds:.1f} s: more than {self.settles_within_seconds:g} s")
        if self.answer(1.0) > ANSWERS_WITHIN_SECONDS:
            found.append(f"an operator waited {self.answer(1.0):.1f} s: more than {ANSWERS_WITHIN_SECONDS:g} s")
        return found

    def shortfalls(self) -> list[str]:
        """Every count below its floor: a campaign in which little happened proves little."""
        plan = self.plan
        found = [f"{kind}: {self.faults[kind]} of {plan.faults_of_a_kind}" for kind in DRAWN if self.faults[kind] < plan.faults_of_a_kind]
        found += [f"deaths {point}: {self.deaths[point]} of {plan.kills_at_a_point}" for point in POINTS if self.deaths[point] < plan.kills_at_a_point]
        if self.report.payments < plan.payments:
            found.append(f"payments: {self.report.payments} of {plan.payments}")
        if self.kills_between < plan.kills:
            found.append(f"kills between claim and outcome: {self.kills_between} of {plan.kills}")
        if self.left_unanswered < FEWEST_KILLS_BETWEEN:
            found.append(f"kills between intent and outcome: {self.left_unanswered} of {FEWEST_KILLS_BETWEEN}")
        if self.faults.total() < 0.8 * plan.rate * self.calls_while_faulty:
            found.append(f"faults: {self.faults.total()} of {self.calls_while_faulty} calls")
        if not self.no_stops_because and self.database_stops < plan.database_stops:
            found.append(f"database stops: {self.database_stops} of {plan.database_stops}")
        if not (self.inquiries and self.resends and self.retries and self.reversals):
            found.append(f"inquiries: {self.inquiries}, resends: {self.resends}, retries: {self.retries}, reversals: {self.reversals}")
        return found

    # ---- Telling

    def lines(self) -> list[tuple[str, str, str]]:
        """What, how much, and what was asked for."""
        plan, report = self.plan, self.report
        share = 100 * self.faults.total() / max(self.calls_while_faulty, 1)
        ledgers = f"{report.effects} payments, {report.debits} debits, {report.breaks} breaks, {self.ledgers_mib:.0f} MiB"
        settled = f"{self.settled_after_seconds:.1f} s after the faults stopped"
        unscaled = f"≤ {self.settles_within_seconds:g} s: {SETTLES_WITHIN_MINUTES} min × {self.time_factor}"
        found = f"{len(report.double)}, {len(report.lost)}, {len(report.wrong)}, {len(report.unsettled)}"
        answer = f"p50 {self.answer(0.5):.2f} s, p99 {self.answer(0.99):.2f} s, longest {self.answer(1):.2f} s"
        reasons = "".join(f"; {count} {why}" for why, count in self.reviews.most_common())
        return [
            ("payments", f"{report.payments}: {', '.join(f'{count} {name}' for name, count in sorted(self.topologies.items()))}", f"≥ {plan.payments}"),
            ("calls on the wire", str(self.calls), ""),
            ("  that met a fault", f"{self.faults.total()}, {share:.0f} % while they were on", f"≥ {80 * plan.rate:.0f} %"),
            *((f"  {kind}", str(self.faults[kind]), f"≥ {plan.faults_of_a_kind}") for kind in DRAWN),
            *((f"  faults at {place}", str(count), "") for place, count in sorted(self.faults_at.items())),
            ("workers killed", str(self.deaths.total()), ""),
            ("  between claim and outcome", str(self.kills_between), f"≥ {plan.kills}"),
            ("  between intent and outcome", str(self.left_unanswered), f"≥ {FEWEST_KILLS_BETWEEN}"),
            *((f"  {point} {POINTS[point]}", str(self.deaths[point]), f"≥ {plan.kills_at_a_point}") for point in POINTS),
            ("  at any moment, from outside", str(self.deaths[""]), ""),
            ("operators' processes killed", str(self.operators_killed), ""),
            ("leases lost", str(self.lost_leases), ""),
            ("database stopped at once", self.no_stops_because or str(self.database_stops), f"≥ {plan.database_stops}"),
            ("inquiries, resends", f"{self.inquiries}, {self.resends}", "> 0"),
            ("opened by people, retried, given back by two", f"{self.opened_in_doubt}, {self.retries}, {self.reversals}", ""),
            ("completed", str(report.completed), ""),
            ("failed, cancelled, reversed", f"{report.failed}, {report.cancelled}, {report.reversed}", ""),
            ("REVIEW", f"{report.review}{reasons}", f"≤ {MOST_REVIEW:.0%}"),
            ("double, lost, wrong, unsettled", found, "0, 0, 0, 0"),
            ("in the ledgers", ledgers, ""),
            ("everything settled", settled, unscaled),
            (
                "an operator's answer",
                answer,
                f"≤ {ANSWERS_WITHIN_SECONDS:g} s",
            ),
            ("  of them", f"{len(self.answers)} answers, {self.answers_away} “the database is away”", ""),
            ("seconds", f"{self.seconds:.0f}, {self.paying_seconds:.0f} of them paying; processors {self.busy:.0%} busy", ""),
            ("time factor, seed", f"{self.time_factor}, {plan.seed}", ""),
        ]

    def table(self) -> str:
        lines = self.lines()
        name, value = (max(len(line[column]) for line in lines) for column in (0, 1))
        name, value = name, min(value, 90)
        return "\n".join(f"{line[0]:<{name}}  {line[1]:<{value}}  {line[2]}".rstrip() for line in lines)

    def as_json(self) -> str:
        told: dict[str, Any] = {name.strip(): {"found": value, "asked": asked} for name, value, asked in self.lines()}
        return json.dumps({**told, "breaches": self.breaches(), "shortfalls": self.shortfalls()}, indent=2, ensure_ascii=False)
