"""The only module that reads the environment. Every other module is handed a value or asks `settings()`."""

import hashlib
import json
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from functools import cached_property, lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import Misconfigured

CHECKOUT = Path(__file__).resolve().parent.parent

# A Unix socket's path may have 107 bytes (sun_path less its NUL); PostgreSQL adds "/.s.PGSQL.5432".
LONGEST_SOCKET_DIRECTORY = 107 - len("/.s.PGSQL.5432")

DATABASE_NAME = "billers"
# Owns the tables, and so migrates and seeds them. The programs that run all day sign in as somebody who cannot change what is on the record.
DATABASE_ROLE = "billers"
REPORTS_ROLE = "billers_reports"


class Part(StrEnum):
    """A program that has a role of its own in the database."""

    WEB = "web"
    WORKER = "worker"

    @property
    def role(self) -> str:
        return f"billers_{self.value}"


PROGRAM_ROLES = (*(part.role for part in Part), REPORTS_ROLE)

# Only the name of the socket's file: the embedded server listens on no network. Said aloud, so that PGPORT has no say.
DATABASE_PORT = 5432


def default_data_dir(environment: Mapping[str, str] = os.environ, *, is_root: bool | None = None) -> Path:
    """Where this person's data lives: `/var/lib/billers` for root, else the user's data directory.

    Root's home is closed to the unprivileged user that the embedded server has to run as.
    """
    if is_root if is_root is not None else os.geteuid() == 0:
        return Path("/var/lib/billers")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "billers"
    return Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "billers"


# Written as JSON: what each is, and how that looks.
HOSTS = (list, '["one.example.mw", "two.example.mw"]')
NETWORKS = (list, '["10.20.0.0/16"]')
JSON: Mapping[str, tuple[type, str]] = {
    "billers_public_hosts": HOSTS,
    "billers_allowed_hosts": HOSTS,
    "billers_allowed_networks": NETWORKS,
    "billers_notification_hosts": HOSTS,
    "billers_notification_networks": NETWORKS,
    "t24_endpoints": (dict, '{"name": "path"}'),
}


class Settings(BaseSettings):
    """What a deployment may choose. Names are the environment's, in capitals; README lists them all."""

    # A complaint never quotes what it is about: passwords and keys are among it.
    model_config = SettingsConfigDict(
        env_ignore_empty=True, extra="ignore", frozen=True, case_sensitive=False, hide_input_in_errors=True, enable_decoding=False
    )

    database_url: str = Field("", description="PostgreSQL 15 or later. Unset: an embedded server in the data directory.", repr=False)
    database_url_web: str = Field("", description="The same for the console, as the role `billers_web` that `billers roles` makes. Unset: DATABASE_URL.")
    database_url_worker: str = Field("", description="The same for workers, as the role `billers_worker`. Unset: DATABASE_URL.")
    port: int = Field(8501, ge=1, le=65535, description="Port of the console.")
    enable_background_jobs: bool = Field(True, description="false: this machine only serves pages; payments stay QUEUED until a worker runs elsewhere.")
    t24_api_url: str = Field("", description="Core banking (T24). Unset: core banking is off.")
    t24_api_key: str = Field("", description="API key of core banking.", repr=False)
    t24_company_id: str = Field("", description="Company (branch) whose books are meant, where core banking wants that said.")
    t24_transaction_type: str = Field("AC", description="Kind of transfer that a debit is posted as.")
    t24_endpoints: dict[str, str] = Field({}, description="Paths of core banking that differ from the published ones, as a JSON object.")
    t24_timeout_ms: int = Field(10_000, ge=100, le=120_000, description="Total deadline of one call to core banking, in milliseconds.")
    t24_concurrency: int = Field(64, ge=1, le=1_000, description="Calls to core banking at once, per worker.")
    t24_inquiry_certified: bool = Field(
        False, description='true: the bank has certified that core banking\'s "no such transfer" by our reference is the truth.'
    )
    t24_max_processing_seconds: int | None = Field(
        None, ge=1, le=86_400, description="Longest that core banking may take to post, in seconds, if the bank states it."
    )

    billers_data_dir: Path = Field(default_factory=default_data_dir, description="Embedded database, vault key ring, logs.")
    billers_bind: str = Field("127.0.0.1", description="Address that the console listens on. Behind a proxy on another machine: 0.0.0.0.")
    billers_public_hosts: tuple[str, ...] = Field(
        (), description="Names that people open the console by, as a JSON list. This machine's own name, localhost and addresses need not be said."
    )
    billers_sandbox: bool = Field(False, description="Sandbox mode: test billers on loopback, generated sign-ins, a badge on each page. `make run` sets it.")
    billers_sandbox_port: int = Field(8601, ge=1, le=65535, description="Port of the sandbox's billers.")
    billers_sandbox_control_port: int = Field(8602, ge=1, le=65535, description="Port that sets the sandbox's faults.")
    billers_demo_transactions: int = Field(
        50_000, ge=0, le=10_000_000, description="Demonstration transactions that the first start in sandbox mode loads. 0: none."
    )
    billers_time_factor: Decimal = Field(Decimal(1), gt=0, le=1, description="Shrinks every wait. Only in sandbox mode.")
    billers_allowed_hosts: tuple[str, ...] = Field((), description="Hosts that a biller's base URL may name, as a JSON list.")
    billers_allowed_networks: tuple[str, ...] = Field((), description="Private networks (CIDR) that a biller may be reached in, as a JSON list.")
    billers_ca_bundle: Path | None = Field(None, description="A private certificate authority's bundle, for billers that use one.")
    billers_notification_hosts: tuple[str, ...] = Field(
        (), description="Hosts of mail servers, SMS gateways and webhooks that people may be told by, as a JSON list."
    )
    billers_notification_networks: tuple[str, ...] = Field((), description="Private networks (CIDR) that those hosts may be in, as a JSON list.")
    billers_vault_keys: str = Field(
        "", description="Key ring as JSON {id: base64 of 32 bytes}, newest last. Unset: vault-keys.json in the data directory.", repr=False
    )
    billers_secure_cookies: bool = Field(True, description="false: cookies travel over plain HTTP too. Sandbox mode on loopback only.")
    billers_bank_name: str = Field("Billers", description="Whose console this is: at the head of receipts and day sheets.")
    billers_timezone: str = Field("Africa/Blantyre", description="Business days and times on the screen.")
    billers_keep_months: int | None = Field(
        None, ge=1, le=1_200, description="Whole months whose attempts, answers and events stay at hand; older ones are put away. Unset: all of them."
    )
    billers_audit_heads: Path | None = Field(
        None, description="File that the audit chain's heads are added to, best where no DBA writes. Unset: audit-heads.jsonl in the data directory."
    )
    billers_audit_heads_minutes: int = Field(15, ge=1, le=1_440, description="Minutes between two published heads; at a day's end there is one anyway.")
    billers_metrics_token: str = Field(
        "", description="Secret of at least 32 characters that opens /metrics, beside API tokens with `metrics:read`. Unset: those alone.", repr=False
    )
    billers_log_level: str = Field("INFO", description="Least severe log line to write.")
    billers_log_format: Literal["json", "text"] = Field("json", description="How a log line looks: json for programs, text for people.")

    @field_validator("database_url", "database_url_web", "database_url_worker")
    @classmethod
    def _with_driver(cls, value: str) -> str:
        for scheme in ("postgres://", "postgresql://"):
            if value.startswith(scheme):
                return "postgresql+psycopg://" + value.removeprefix(scheme)
        return value

    @field_validator("billers_metrics_token")
    @classmethod
    def _nobody_guesses_it(cls, value: str) -> str:
        if value and (len(value) < 32 or not value.isascii() or not value.isprintable() or " " in value):
            raise ValueError("It has 32 characters at least, and no blanks: make one with `openssl rand -hex 32`")
        return value

    @field_validator(*JSON, mode="before")
    @classmethod
    def _from_json(cls, value: object, info: ValidationInfo) -> object:
        """Read here and not on the way in, where the complaint would be a stack trace."""
        if not isinstance(value, str):
            return value
        kind, example = JSON[info.field_name or ""]
        try:
            read = json.loads(value)
        except ValueError:
            read = None
        if not isinstance(read, kind):
            raise ValueError(f"It cannot be read. Write it as JSON, as in {example}")
        return read

    @field_validator("billers_allowed_hosts", "billers_notification_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if not re.fullmatch(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?|[0-9A-Fa-f:.]+", host):
                raise ValueError(f"{host!r} is no host. Write it without https:// and without a path, as in pay.example.mw or pay.example.mw:8443")
        return value

    @field_validator("billers_allowed_networks", "billers_notification_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                ip_network(network)
            except ValueError:
                raise ValueError(f"{network!r} is no network. Write its first address and how many bits it begins with, as in 10.20.0.0/16") from None
        return value

    @field_validator("billers_public_hosts")
    @classmethod
    def _names_alone(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
                raise ValueError(f"{name!r} is no name. Write it without https:// and without a port, as in pay.example.mw")
        return value

    @model_validator(mode="after")
    def _factor_is_for_the_sandbox(self) -> "Settings":
        if self.billers_time_factor != 1 and not self.billers_sandbox:
            raise ValueError("BILLERS_TIME_FACTOR shortens safety waits and is for sandbox mode only. Remove it, or set BILLERS_SANDBOX=true.")
        return self

    @property
    def embedded(self) -> bool:
        return not self.database_url

    @cached_property
    def socket_dir(self) -> Path:
        """Where the embedded server's socket lies; a short stand-in where the data directory's path cannot hold one."""
        directory = self.billers_data_dir / "run"
        # A comma separates hosts in a connection string, and cannot be escaped there.
        if len(os.fsencode(directory)) <= LONGEST_SOCKET_DIRECTORY and "," not in str(directory):
            return directory
        digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
        return Path("/tmp") / f"billers-{os.geteuid()}-{digest}"  # noqa: S108 - made with mode 0700 and checked by the launcher

    @property
    def dsn(self) -> str:
        """The database's SQLAlchemy URL, whoever runs the server: as the tables' owner."""
        return self.dsn_of(None)

    def dsn_of(self, part: Part | None) -> str:
        """The same as the role of one program. Where an outside database has none for it, as the owner."""
        if self.embedded:
            role = part.role if part else DATABASE_ROLE
            return f"postgresql+psycopg://{role}@/{DATABASE_NAME}?host={quote(str(self.socket_dir))}&port={DATABASE_PORT}"
        own = {Part.WEB: self.database_url_web, Part.WORKER: self.database_url_worker}
        return (own[part] if part else "") or self.database_url


@lru_cache
def settings() -> Settings:
    """What this process was told, read once. Raises Misconfigured, naming the variable, when it cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        raise Misconfigured("The environment cannot be used as it is. " + " ".join(_complaint(detail) for detail in error.errors())) from error


def _complaint(detail: ErrorDetails) -> str:
    said = detail["msg"].removeprefix("Value error, ")
    return f"{'_'.join(map(str, detail['loc'])).upper()}: {said}." if detail["loc"] else said


def choose_sandbox() -> None:
    """Sandbox mode, core banking included, for this process and its children, unless the environment has decided. Loopback has no TLS: cookies go without."""
    if not os.environ.get("BILLERS_SANDBOX"):
        os.environ["BILLERS_SANDBOX"] = "true"
    settings.cache_clear()
    if settings().billers_sandbox and not os.environ.get("BILLERS_SECURE_COOKIES"):
        os.environ["BILLERS_SECURE_COOKIES"] = "false"
        settings.cache_clear()
    if settings().billers_sandbox and "T24_API_URL" not in os.environ:
        _choose_sandbox_bank()


def _choose_sandbox_bank() -> None:
    """Core banking of the sandbox, with what it promises about itself. `T24_API_URL=` in the environment, empty, leaves it off."""
    bank = tomllib.loads((CHECKOUT / "seeds" / "sandbox.toml").read_text(encoding="utf-8"))["core_banking"]
    usual = {
        "T24_API_URL": f"http://127.0.0.1:{settings().billers_sandbox_port}/t24",
        "T24_API_KEY": str(bank["api_key"]),
        "T24_INQUIRY_CERTIFIED": "true",
        # Its slowest account posts after two seconds.
        "T24_MAX_PROCESSING_SECONDS": "30",
    }
    for name, value in usual.items():
        os.environ.setdefault(name, value)
    settings.cache_clear()


def child_environment() -> dict[str, str]:
    """What a child process inherits: all of ours."""
    return dict(os.environ)


def forwarded_allow_ips() -> str:
    """`FORWARDED_ALLOW_IPS`: whose word the web server takes for where a request came from. Its own variable, and so none of ours."""
    return os.environ.get("FORWARDED_ALLOW_IPS", "").strip()


def api_token() -> str:
    """`BILLERS_TOKEN`: the API token that `billers pay` and its like act by. Empty when unset. Read apart from the settings: none of them is a person's."""
    return os.environ.get("BILLERS_TOKEN", "").strip()


def credentials_text(biller_type: str) -> str:
    """`BILLERS_CREDENTIALS_<CODE>`: a biller's credentials as JSON, instead of those in the database. Empty when unset."""
    return os.environ.get(f"BILLERS_CREDENTIALS_{biller_type.upper()}", "").strip()
