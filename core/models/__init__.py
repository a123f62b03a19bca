"""The tables, in the order a transaction meets them: people, billers, transactions, audit."""

from core.models.alerts import Alert, AlertThreshold
from core.models.approval_rules import ApprovalRule
from core.models.attention import PutOff
from core.models.audit import AuditEntry, Seal
from core.models.base import Base
from core.models.billers import BillerConfig, BillerConfigVersion, BillerType, Breaker, ConnectionTest
from core.models.breaks import Break
from core.models.bulk import BulkAct, BulkItem
from core.models.configuration_proposals import ConfigurationProposal
from core.models.exports import Export
from core.models.gate import Gate, Installation
from core.models.idempotency import IdempotencyKey
from core.models.jobs import JobRun
from core.models.lists import known_accounts, known_names
from core.models.notifications import (
    NotificationAddress,
    NotificationAttempt,
    NotificationChannel,
    NotificationDelivery,
    NotificationEvent,
    NotificationSubscription,
    NotificationTemplate,
)
from core.models.people import ApiToken, Role, RolePermission, SignInAttempt, SignInTicket, User, UserBiller, UserSession
from core.models.proofs import Authenticator, RecoveryCode
from core.models.proposals import Proposal
from core.models.reconciliation import DayClose, DifferenceNote, ReconciliationDay, Statement, StatementColumns, StatementLine, StatementMatch
from core.models.reports import KeptReport, ReportFile, ReportSchedule
from core.models.rollups import (
    RollupCallDay,
    RollupCallHour,
    RollupCallLine,
    RollupCallTotal,
    RollupCallWeek,
    RollupDay,
    RollupHour,
    RollupReason,
    RollupState,
    RollupWeekday,
)
from core.models.transactions import Answer, Attempt, Draft, Event, Leg, Transaction, Worker
from core.models.vault import RetiredKey
from core.models.vended import VendedToken
from core.models.views import RoleView, SavedView
from core.models.wider_proposals import WiderProposal

__all__ = [
    "Alert",
    "AlertThreshold",
    "Answer",
    "ApiToken",
    "ApprovalRule",
    "Attempt",
    "AuditEntry",
    "Authenticator",
    "Base",
    "BillerConfig",
    "BillerConfigVersion",
    "BillerType",
    "Break",
    "Breaker",
    "BulkAct",
    "BulkItem",
    "ConfigurationProposal",
    "ConnectionTest",
    "DayClose",
    "DifferenceNote",
    "Draft",
    "Event",
    "Export",
    "Gate",
    "IdempotencyKey",
    "Installation",
    "JobRun",
    "KeptReport",
    "Leg",
    "NotificationAddress",
    "NotificationAttempt",
    "NotificationChannel",
    "NotificationDelivery",
    "NotificationEvent",
    "NotificationSubscription",
    "NotificationTemplate",
    "Proposal",
    "PutOff",
    "ReconciliationDay",
    "RecoveryCode",
    "ReportFile",
    "ReportSchedule",
    "RetiredKey",
    "Role",
    "RolePermission",
    "RoleView",
    "RollupCallDay",
    "RollupCallHour",
    "RollupCallLine",
    "RollupCallTotal",
    "RollupCallWeek",
    "RollupDay",
    "RollupHour",
    "RollupReason",
    "RollupState",
    "RollupWeekday",
    "SavedView",
    "Seal",
    "SignInAttempt",
    "SignInTicket",
    "Statement",
    "StatementColumns",
    "StatementLine",
    "StatementMatch",
    "Transaction",
    "User",
    "UserBiller",
    "UserSession",
    "VendedToken",
    "WiderProposal",
    "Worker",
    "known_accounts",
    "known_names",
]
