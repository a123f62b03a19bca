"""Held against every biller there is: what it says is what was recorded, and what was recorded it understands."""

import asyncio
import base64
import pkgutil
import re
import tomllib

import pytest
from lxml import etree

import core.adapters
from core.adapters import adapter_for, adapters
from core.errors import Misconfigured, NotFound
from core.wire.accidents import READ_STATUSES, OutcomeClass
from core.wire.contract import Biller, Outcome, Terms, Verb
from core.wire.line import Answer, Line, LinePolicy
from core.wire.transcript import NOT_SECRET, Masker

from .recordings import CREDENTIALS, FIXTURES, Recording, recordings, said_by

BILLERS = list(adapters().values())
DIALECTS = [(biller, dialect) for biller in BILLERS for dialect in biller.dialects]
RECORDINGS = recordings()

each_biller = pytest.mark.parametrize("biller", BILLERS, ids=lambda biller: biller.code)
each_dialect = pytest.mark.parametrize(("biller", "dialect"), DIALECTS, ids=lambda one: one if isinstance(one, str) else one.code)
each_recording = pytest.mark.parametrize("recording", RECORDINGS, ids=str)


def test_there_are_billers_and_recordings() -> None:
    assert BILLERS
    assert RECORDINGS


@each_biller
def test_a_biller_is_found_in_the_module_of_its_name(biller: type[Biller]) -> None:
    assert biller.__module__ == f"core.adapters.{biller.code.lower()}"
    assert adapter_for(biller.code) is biller
    assert biller.title


def test_a_biller_nobody_speaks_is_refused_in_words() -> None:
    with pytest.raises(NotFound, match=r"no biller of type 'NO_SUCH'.*LWB_POSTPAID"):
        adapter_for("NO_SUCH")


def test_two_adapters_of_one_code_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = list(pkgutil.iter_modules(core.adapters.__path__, prefix="core.adapters."))
    monkeypatch.setattr(pkgutil, "iter_modules", lambda *_, **__: modules * 2)
    with pytest.raises(Misconfigured, match="Two adapters call themselves"):
        adapters.__wrapped__()


def test_every_folder_of_recordings_belongs_to_a_biller() -> None:
    assert {path.name for path in FIXTURES.iterdir() if path.is_dir()} == {code.lower() for code in adapters()}


@each_biller
def test_every_file_in_the_folder_belongs_to_a_recording(biller: type[Biller]) -> None:
    stems = {recording.stem for recording in recordings(biller.code)}
    assert {path.name.partition(".")[0] for path in (FIXTURES / biller.code.lower()).iterdir()} == stems


@each_biller
def test_a_biller_has_a_seed_in_a_dialect_it_speaks(biller: type[Biller]) -> None:
    seeds = tomllib.loads((FIXTURES.parents[1] / "seeds" / "billers.toml").read_text(encoding="utf-8"))
    assert [entry["dialect"] in biller.dialects for entry in seeds["biller"] if entry["code"] == biller.code] == [True]


@each_dialect
def test_a_biller_has_a_recording_for_each_of_its_verbs_in_each_dialect(biller: type[Biller], dialect: str) -> None:
    assert {recording.verb for recording in _recorded_in(biller, dialect)} == biller.verbs(dialect)


@each_dialect
def test_a_biller_has_a_recording_for_each_outcome_it_lists_in_each_dialect(biller: type[Biller], dialect: str) -> None:
    recorded = {recording.facts["understand"]["outcome"] for recording in _recorded_in(biller, dialect)}
    assert {outcome.value for outcome in _spoken(biller, dialect).listed.values()} | {Outcome.UNKNOWN.value} <= recorded


@each_dialect
def test_a_biller_lists_what_it_believes_and_nothing_it_cannot(biller: type[Biller], dialect: str) -> None:
    """UNKNOWN is what is not listed, and NOT_SENT is the line's word."""
    assert not {Outcome.UNKNOWN, Outcome.NOT_SENT} & set(_spoken(biller, dialect).listed.values())


@each_recording
def test_a_recording_is_in_a_dialect_of_its_biller(recording: Recording) -> None:
    assert recording.dialect in adapters()[recording.code].dialects


def _spoken(biller: type[Biller], dialect: str) -> Biller:
    return biller(Terms("https://biller.test", {}, dialect=dialect))


def _recorded_in(biller: type[Biller], dialect: str) -> list[Recording]:
    return [recording for recording in recordings(biller.code) if recording.dialect == dialect]


@each_recording
def test_a_biller_says_what_was_recorded(recording: Recording) -> None:
    request = recording.exchange().request
    assert request.body == recording.request or _canonical(request.body) == _canonical(recording.request)
    wanted = recording.facts.get("request", {})
    assert request.method == wanted.get("method", request.method)
    assert request.path == wanted.get("path", request.path)
    assert wanted.get("headers", {}).items() <= request.headers.items()


@each_recording
def test_a_biller_understands_what_was_recorded(recording: Recording) -> None:
    assert said_by(recording.exchange().read(recording.reply)) == recording.understanding()


@each_recording
def test_only_an_inquiry_says_not_found(recording: Recording) -> None:
    assert recording.verb is Verb.STATUS or recording.understanding()["outcome"] != Outcome.NOT_FOUND


@each_recording
def test_no_secret_survives_in_the_transcript(recording: Recording) -> None:
    biller, request = recording.biller, recording.exchange().request
    masker = Masker(recording.terms(), biller.masked)
    # A careless biller that says everything back is masked as well.
    echo = recording.reply.body + str(dict(request.headers)).encode()
    kept = masker.message(f"{request.method} {request.path}", request.headers.items(), request.body)
    kept += masker.message("HTTP 200", [("content-type", "text/plain")], echo) + masker.message(
        "HTTP 200", recording.reply.headers.items(), recording.reply.body
    )
    secrets = {value for key, value in CREDENTIALS.items() if key not in NOT_SECRET and key in recording.terms().credentials}
    secrets |= {base64.b64encode(f"{CREDENTIALS['username']}:{secret}".encode()).decode() for secret in secrets}
    secrets |= {
        value
        for name in biller.masked
        for value in re.findall(rf"<(?:\w+:)?{name}[^>]*>([^<]+)<", recording.reply.body.decode("utf-8", "replace"), re.IGNORECASE)
    }
    assert [secret for secret in secrets if secret in kept] == []


@each_recording
def test_a_reader_never_raises_and_never_says_yes_to_rubbish(recording: Recording) -> None:
    """The same answer, damaged at every 40th byte and cut there: read as UNKNOWN, or as what it was."""
    read, reply = recording.exchange().read, recording.reply
    believed = {recording.understanding()["outcome"], Outcome.UNKNOWN.value}
    for position in range(0, len(reply.body), 40):
        for body in (reply.body[:position], reply.body[:position] + b"\xff\x00<" + reply.body[position + 3 :]):
            assert read(type(reply)(reply.status, reply.headers, body)).outcome.value in believed
    for status in READ_STATUSES:
        assert read(type(reply)(status, {}, b"")).outcome is Outcome.UNKNOWN


def _canonical(document: bytes) -> str:
    """What a document means, whatever prefixes it chose."""
    if not document:
        return ""
    root = etree.fromstring(document, etree.XMLParser(remove_blank_text=True, resolve_entities=False))
    return str(etree.canonicalize(root, rewrite_prefixes=True))


def test_recorded_conversations_hold_over_a_real_socket() -> None:
    """All of them in one go: each reply is served as recorded, and must be understood as recorded."""
    pending: list[Recording] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recording = pending[-1]
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        await reader.readexactly(int(length[1]) if length else 0)
        headers = {**recording.reply.headers, "content-length": str(len(recording.reply.body))}
        writer.write(
            f"HTTP/1.1 {recording.reply.status} X\r\n".encode() + b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items()) + b"\r\n"
        )
        writer.write(recording.reply.body)
        await writer.drain()
        writer.close()

    async def run() -> list[tuple[Recording, Answer[object]]]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        line = Line(LinePolicy(["127.0.0.1"], ["127.0.0.0/8"]))
        told = []
        async with server:
            for recording in RECORDINGS:
                if recording.reply.status in READ_STATUSES:
                    pending.append(recording)
                    terms = recording.terms(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
                    told.append((recording, await line.perform(terms, recording.exchange(), recording.biller.masked)))
        return told

    for recording, answer in asyncio.run(run()):
        assert answer.outcome_class is OutcomeClass.ANSWERED, recording
        assert said_by(answer.value) == recording.understanding(), recording  # type: ignore[arg-type]
