"""Where a secret could end up, and how it would look there."""

import base64
import gzip
import io
import json
import re
import threading
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.receipts.reading import words_of

ENVELOPE = re.compile(rb"\bv1\.[A-Za-z0-9]+\.[A-Za-z0-9+/]{40,}=*")


@dataclass(frozen=True)
class Sink:
    """One place, and everything in it as bytes: what is packed is there unpacked as well."""

    name: str
    content: bytes = field(repr=False)

    @classmethod
    def of(cls, name: str, content: bytes | str) -> "Sink":
        raw = content.encode() if isinstance(content, str) else content
        return cls(name, b"\n".join([raw, *_unpacked(raw)]))


def _unpacked(raw: bytes) -> Iterator[bytes]:
    if raw.startswith(b"%PDF-"):
        yield words_of(raw).encode()
    elif raw.startswith(b"\x1f\x8b"):
        yield gzip.decompress(raw)
    elif raw.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(raw)) as parts:
            for part in parts.namelist():
                yield parts.read(part)


def spellings(secret: str | bytes) -> set[bytes]:
    """As it may stand in a text, a header, an address, JSON, a dump, or inside something that is base64 of more."""
    raw = secret.encode() if isinstance(secret, str) else secret
    found = {raw, raw.hex().encode(), raw.hex().upper().encode(), *_in_base64(raw)}
    if isinstance(secret, str):
        found |= {quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode(), secret.encode("utf-16-le"), secret[::-1].encode()}
        if re.fullmatch("[0-9]{20}", secret):
            groups = [secret[start : start + 4] for start in range(0, 20, 4)]
            found |= {" ".join(groups).encode(), "-".join(groups).encode(), "\N{NO-BREAK SPACE}".join(groups).encode()}
    return found


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """Whatever stands before it: the letters that depend on nothing else, in either alphabet."""
    for before in range(3):
        whole = (before + len(raw)) // 3 * 4
        begins = (0, 2, 3)[before]
        core = base64.b64encode(bytes(before) + raw)[begins:whole]
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))


def leaks(secrets: Mapping[str, str | bytes], sinks: Iterable[Sink]) -> list[str]:
    """`session cookie in log of the worker`, for each that is found."""
    spelt = {name: spellings(secret) for name, secret in secrets.items()}
    return sorted({f"{name} in {sink.name}" for sink in sinks for name, forms in spelt.items() if any(form in sink.content for form in forms)})


# ---- The places


def columns_of(connection: psycopg.Connection) -> Iterator[Sink]:
    """Every column of every table, as a dump has it: text as it is, bytes as hex."""
    columns = connection.execute(
        "SELECT c.table_schema, c.table_name, c.column_name FROM information_schema.columns c JOIN information_schema.tables t"
        " USING (table_schema, table_name) WHERE t.table_type = 'BASE TABLE' AND c.table_schema NOT IN ('pg_catalog', 'information_schema')"
    ).fetchall()
    for schema, table, column in columns:
        with connection.cursor().copy(f'COPY (SELECT "{column}" FROM "{schema}"."{table}") TO STDOUT') as rows:
            yield Sink(f"column {table}.{column}", b"".join(bytes(block) for block in rows))


def statements_of(connection: psycopg.Connection) -> Sink:
    """What whoever may look at the server sees of others' statements."""
    return Sink.of("pg_stat_activity", repr(connection.execute("SELECT query, application_name FROM pg_stat_activity").fetchall()))


def files_in(directory: Path, but: Iterable[Path] = ()) -> Iterator[Sink]:
    left_out = set(but)
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not any(one == path or one in path.parents for one in left_out):
            yield Sink.of(f"file {path.relative_to(directory)}", path.read_bytes())


@contextmanager
def notifications(connection: psycopg.Connection, channels: Iterable[str]) -> Iterator[list[str]]:
    """Every payload that is told on these channels while the block lasts."""
    heard: list[str] = []
    for channel in channels:
        connection.execute(f"LISTEN {channel}")
    ended = threading.Event()

    def listen() -> None:
        while not ended.is_set():
            heard.extend(f"{one.channel} {one.payload}" for one in connection.notifies(timeout=0.2))

    listening = threading.Thread(target=listen)
    listening.start()
    try:
        yield heard
    finally:
        ended.set()
        listening.join()
