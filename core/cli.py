"""The `billers` command. Each command is thin: it sees to the database, calls the one function that does the work, and prints.

What lists or tells something does so in lines for people, or with `--json` as one document for programs. What an exit code means stands in
`core.commands.endings`.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from core.errors import BillersError

E = TypeVar("E", bound=StrEnum)


class PlainSpeaking(TyperGroup):
    """Turns an error into one line on standard error and an exit code; a traceback goes to a file, never to the person."""

    def invoke(self, ctx: Any) -> Any:
        from core.launch.ports import PortTaken

        try:
            return super().invoke(ctx)
        except PortTaken as error:
            typer.echo(error.sentence, err=True)
            raise typer.Exit(2) from None
        except BillersError as error:
            typer.echo(error.sentence, err=True)
            raise typer.Exit(1) from None
        except (typer.Exit, typer.Abort):
            raise
        except BrokenPipeError:
            # Whoever read along has seen enough. What is left to be said is said to nobody, or Python would complain at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except Exception as error:
            if type(error).__module__.startswith(("typer", "click")):
                raise  # A wrong option or argument: typer explains it.
            typer.echo(_unforeseen(error), err=True)
            raise typer.Exit(1) from None


# Whoever pays at this moment goes first.
BACKGROUND_NICENESS = 10

# How long `billers pay --wait` waits where nobody says how long: longer than a biller's usual deadline.
WAIT_SECONDS = 45

Json = Annotated[bool, typer.Option("--json", help="As one JSON document, for programs.")]
TokenFile = Annotated[Path | None, typer.Option(metavar="FILE", help="A file with the API token of whoever this is done for. Without: BILLERS_TOKEN.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to; - is standard output.")]

app = typer.Typer(cls=PlainSpeaking, help="Billers, a bill-payments console.", no_args_is_help=True, pretty_exceptions_enable=False)
user_app = typer.Typer(help="The people who may sign in.", no_args_is_help=True)
audit_app = typer.Typer(help="The record of who did what.", no_args_is_help=True)
keys_app = typer.Typer(help="The keys that stored credentials and prepaid tokens are sealed with.", no_args_is_help=True)
gate_app = typer.Typer(help="The restore gate: closed when the database came back without payments that it had confirmed.", invoke_without_command=True)
config_app = typer.Typer(help="Changes of billers' configurations that wait for a second person.", invoke_without_command=True)
sandbox_app = typer.Typer(help="The billers and the bank that Billers is tested against.", invoke_without_command=True)
rollups_app = typer.Typer(help="The sums that figures are read from.", no_args_is_help=True)
reports_app = typer.Typer(help="The reports that schedules owe.", no_args_is_help=True)
jobs_app = typer.Typer(help="Work in the background: what waits, runs, failed or is dead, and its schedules.", invoke_without_command=True)
app.add_typer(user_app, name="user")
app.add_typer(audit_app, name="audit")
app.add_typer(keys_app, name="keys")
app.add_typer(gate_app, name="gate")
app.add_typer(config_app, name="config")
app.add_typer(sandbox_app, name="sandbox")
app.add_typer(rollups_app, name="rollups")
app.add_typer(reports_app, name="reports")
app.add_typer(jobs_app, name="jobs")


@app.command()
def up() -> None:
    """Start everything and keep it running until Ctrl-C."""
    from core.launch.up import up as run

    raise typer.Exit(run())


@app.command()
def web() -> None:
    """Start the console alone, without a worker."""
    from core.launch.up import up_web_only

    raise typer.Exit(up_web_only())


@app.command()
def worker() -> None:
    """Carry out payments until told to stop."""
    from core.worker import main

    with _database():
        code = main()
    raise typer.Exit(code)


@sandbox_app.callback()
def sandbox(context: typer.Context) -> None:
    """Start the billers and the bank that Billers is tested against."""
    from core.launch.programs import sandbox_arguments
    from core.sandbox.__main__ import main
    from core.settings import settings

    if context.invoked_subcommand is None:
        raise typer.Exit(main(sandbox_arguments(settings())))


@sandbox_app.command("statement")
def sandbox_statement(
    biller: Annotated[str, typer.Argument(help="The biller's type, LWB_POSTPAID for example.")],
    day: Annotated[str, typer.Argument(help="The day, as 2026-11-24; today unless told.")] = "",
) -> None:
    """Write a test biller's statement of a day to standard output, as CSV, from its own ledger."""
    from datetime import date

    from core.sandbox.journal import Unusable
    from core.sandbox.statements import write
    from core.services.reconciliation import today
    from core.settings import settings

    try:
        wanted = date.fromisoformat(day) if day else today()
        typer.echo(write(settings().billers_data_dir / "sandbox", biller.upper(), wanted), nl=False)
    except ValueError:
        raise BillersError("A day is written like 2026-11-24.") from None
    except Unusable as error:
        raise BillersError(str(error)) from None


@app.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    from core.db import migrate as run

    with _database():
        run()
    typer.echo("The database is up to date.")


@app.command()
def seed(
    demo: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="In sandbox mode: N demonstration transactions over the last 365 days, up to ten million, unless some are there."
        ),
    ] = 0,
    more: Annotated[bool, typer.Option("--more", help="Load them beside those that are there.")] = False,
) -> None:
    """Load billers, roles and bundles; what is there already stays as it is."""
    from core.services.demo import load as load_demo
    from core.services.seeds import load

    with _database():
        for line in load():
            typer.echo(line)
        if demo:
            for line in load_demo(demo, more=more, tell=typer.echo):
                typer.echo(line)


@app.command()
def roles() -> None:
    """Make the database's roles for the console, the workers and report tools, none of which can rewrite the record."""
    from core.launch.roles import make
    from core.settings import settings

    with _database():
        for line in make(settings()):
            typer.echo(line)


@app.command()
def doctor(json: Json = False) -> None:
    """Check the installation, and say what to do about what is wrong. Exit code 1 where something is."""
    from core.commands.telling import say_json
    from core.launch.doctor import examine
    from core.settings import settings

    findings = []
    for name, finding in examine(settings()):
        findings.append({"check": name, "finding": finding.mark.strip().lower(), "sentence": finding.sentence})
        if not json:
            typer.echo(f"{finding.mark}  {name:<18}{finding.sentence}")
    if json:
        say_json(findings)
    raise typer.Exit(1 if any(one["finding"] == "bad" for one in findings) else 0)


@app.command()
def lookup(
    biller: Annotated[str, typer.Argument(help="Its code, for example LWB_POSTPAID.")],
    account: str,
    account_type: Annotated[str | None, typer.Option(help="Where the biller has several kinds of accounts.")] = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Ask a biller whose account it is and what is owed, in the name of the token's owner. Nothing is paid."""
    from core.api.programs.shapes import LookupAnswer, Transaction, account_in
    from core.commands import acting, endings, paying
    from core.commands.telling import say_json

    with _database():
        found = paying.look_up(acting.whose(token_file), biller, account, account_type)
    ending = endings.of(found)
    told = account_in(found) if ending is endings.Ending.DONE else None
    if json:
        say_json(LookupAnswer(transaction=Transaction.of(found), account=told))
    elif told is None:
        typer.echo(found.error_message or "There is no answer yet. Ask again; is a worker running?", err=True)
    else:
        balance = f", {told.balance.currency} {told.balance.amount}" if told.balance else ""
        typer.echo(f"{told.number}: {told.name or 'no name told'}{balance}")
    raise typer.Exit(ending if ending is endings.Ending.DONE else endings.Ending.NOT_DONE)


@app.command()
def pay(
    biller: Annotated[str, typer.Argument(help="Its code, for example LWB_POSTPAID.")],
    account: str,
    amount: Annotated[str | None, typer.Argument(help="As 5475.50; left out where the biller's own invoice or bundle says it.")] = None,
    key: Annotated[str, typer.Option(help="A name of your own for this one payment: the same key never pays twice.", show_default=False)] = ...,  # type: ignore[assignment]
    account_type: Annotated[str | None, typer.Option(help="Where the biller has several kinds of accounts.")] = None,
    bundle: Annotated[str | None, typer.Option(help="Which of the bundles that are offered.")] = None,
    debit_account: Annotated[str | None, typer.Option(help="The customer's account at the bank, where the biller is paid from one.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why a second payment of the same amount to this account is meant.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is settled, and no longer than --seconds.")] = False,
    seconds: Annotated[int, typer.Option(min=1, help="How long to wait at most.")] = WAIT_SECONDS,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Pay a bill in the name of the token's owner, once for each key: called again, it tells what came of the same payment.

    Exit code 0 paid, 3 not settled yet (do not pay again: ask again with the same key), 4 ended unpaid, 5 waits for a second person, 1 not made.
    """
    from core.api.programs.shapes import Transaction
    from core.commands import acting, endings, paying
    from core.commands.telling import say_json

    with _database():
        actor = acting.whose(token_file)
        try:
            found = paying.pay(actor, paying.Bill(biller, account, amount, account_type, bundle, debit_account), key, reason)
            if wait:
                found = paying.wait(actor, found.id, seconds)
        except endings.PROVES_NOTHING as error:
            typer.echo(f"{error.sentence} {endings.MEANINGS[endings.Ending.IN_DOUBT]}", err=True)
            raise typer.Exit(endings.Ending.IN_DOUBT) from None
        except BillersError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, a script must not take it for a payment that was not made
            typer.echo(f"{_unforeseen(error)} {endings.MEANINGS[endings.Ending.IN_DOUBT]}", err=True)
            raise typer.Exit(endings.Ending.IN_DOUBT) from None
    ending = endings.of(found)
    if json:
        say_json(Transaction.of(found))
    else:
        typer.echo(f"{found.our_transaction_id}  {found.status}  {found.biller_name}, account {found.account_number}, {found.currency} {found.amount}")
        typer.echo(found.error_message or endings.MEANINGS[ending])
    raise typer.Exit(ending)


@app.command()
def export(
    output: Output,
    which: Annotated[
        str, typer.Argument(metavar="LIST", help="What stands behind the ? of the list's address, for example 'biller=LWB_POSTPAID&since=yesterday'.")
    ] = "",
    profile: Annotated[str, typer.Option(help="data for programs, spreadsheet for people, workbook for Excel.")] = "data",
    zone: Annotated[str | None, typer.Option(help="What times are written in: UTC, or the bank's own zone.")] = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Take the rows of a list away as a file, all of them, in the name of the token's owner. The file is there once it is whole."""
    from core.commands import acting, taking
    from core.repositories.exports import Profile
    from core.services.exports import manifest

    with _database():
        kept = taking.export(acting.whose(token_file), which, _one_of(Profile, profile, "profile"), zone, output)
    if json:
        typer.echo(_json_of(manifest(kept)), err=output == taking.STANDARD_OUTPUT)
    elif output != taking.STANDARD_OUTPUT:
        typer.echo(f"{kept.export.rows:,} rows in {output}, SHA-256 {kept.export.sha256}.")


@app.command()
def report(
    kind: Annotated[str, typer.Argument(help="daily, weekly or monthly.")],
    period: Annotated[str, typer.Argument(help="2026-11-24, 2026-W47 or 2026-11.")],
    form: Annotated[str, typer.Option("--format", help="pdf, xlsx or csv.")] = "pdf",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; without, a file of its own name, and - is standard output.")
    ] = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Make the report of a day, a week or a month, or take the one that was made, in the name of the token's owner."""
    from core.commands import acting, taking
    from core.models.reports import ReportFormat, ReportKind

    with _database():
        actor = acting.whose(token_file)
        taken = taking.report(actor, _one_of(ReportKind, kind, "report"), period, _one_of(ReportFormat, form, "format"), output)
    if json:
        typer.echo(_json_of(taken), err=output == taking.STANDARD_OUTPUT)
    elif output != taking.STANDARD_OUTPUT:
        typer.echo(f"{taken.file}")


@app.command()
def reconcile(
    biller: Annotated[str, typer.Argument(help="The biller's type, LWB_POSTPAID for example.")],
    file: Annotated[Path | None, typer.Argument(help="Its statement, CSV or XLSX. Without one: how a day stands.")] = None,
    day: Annotated[str | None, typer.Option(help="Without a file: which day, 2026-11-24 for example.")] = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Import a biller's statement in the name of the token's owner, and say what is open of its days. The same file again changes nothing."""
    from core.commands import acting, reconciling
    from core.commands.endings import Ending
    from core.commands.telling import say_json

    if (file is None) == (day is None):
        raise BillersError("Name the statement's file, or with --day a day to be told of.")
    with _database():
        actor = acting.whose(token_file)
        done = reconciling.reconcile(actor, biller.upper(), file) if file else None
        days = done.days if done else [reconciling.standing(actor, biller.upper(), day or "")]
    if json:
        say_json(done or days[0])
    elif done and not done.new_lines:
        typer.echo("This file changed nothing: all of it is there already.")
    else:
        if done:
            typer.echo(f"{done.new_lines:,} new lines of {done.lines:,}, {done.matched:,} matched, {done.passed_over:,} rows passed over.")
        for one in days:
            typer.echo(f"{one.day}: {one.open:,} open{', signed off' if one.signed_off else ''}")
    if any(one.open for one in days):
        raise typer.Exit(Ending.DIFFERS)


@user_app.command("add")
def user_add(
    username: str,
    role: Annotated[str, typer.Option(help="What the person may do, as in seeds/roles.toml.")],
    name: Annotated[str, typer.Option(help="The person's name, as others see it.")] = "",
) -> None:
    """Let somebody sign in. The password is asked for, or read from standard input."""
    from core.access import SYSTEM
    from core.services import staff

    password = _password()
    with _database():
        staff.add(SYSTEM, username, name or username, role, password)
    typer.echo(f"{username} can sign in.")


@user_app.command("list")
def user_list(json: Json = False) -> None:
    """Show who may sign in."""
    from core.access import SYSTEM
    from core.commands.telling import say_json
    from core.services import staff

    with _database():
        people = staff.everybody(SYSTEM)
    if json:
        say_json([{name: getattr(one, name) for name in ("username", "display_name", "role", "disabled")} for one in people])
        return
    for line in _aligned(people, ("username", "display_name", "role", "disabled")):
        typer.echo(line)


@user_app.command("disable")
def user_disable(username: str) -> None:
    """Let somebody sign in no longer, and end their sessions."""
    from core.access import SYSTEM
    from core.services import staff

    with _database():
        staff.disable(SYSTEM, staff.find(SYSTEM, username).id)
    typer.echo(f"{username} can no longer sign in.")


@user_app.command("passwd")
def user_passwd(username: str) -> None:
    """Give somebody a new password. It is asked for, or read from standard input."""
    from core.access import SYSTEM
    from core.services import staff

    password = _password()
    with _database():
        staff.give_password(SYSTEM, staff.find(SYSTEM, username).id, password)
    typer.echo(f"{username} has a new password.")


@user_app.command("reset-totp")
def user_reset_totp(username: str) -> None:
    """Take away somebody's sign-in code, whose phone is lost."""
    from core.access import SYSTEM
    from core.services import proofs

    with _database():
        was_there = proofs.reset(SYSTEM, username)
    typer.echo(f"{username} signs in without a code until they set up another." if was_there else f"{username} has no code.")


@audit_app.command("verify")
def audit_verify(
    published: Annotated[Path | None, typer.Option(metavar="FILE", help="Published heads to compare with; by default those that the worker wrote.")] = None,
    json: Json = False,
) -> None:
    """Check that no audit entry was changed, removed or slipped in."""
    from core.services.audit import verify
    from core.services.audit_heads import published as heads_in

    with _database():
        heads = heads_in(published)
        verdict = verify(heads)
    if json:
        typer.echo(_json_of({**_facts(verdict, ("ok", "sentence", "sealed", "unsealed", "head_hash")), "published_heads": len(heads)}))
        raise typer.Exit(0 if verdict.ok else 1)
    typer.echo(verdict.sentence)
    if verdict.ok and heads:
        typer.echo(f"All {len(heads):,} heads that were published hold, the last of {heads[-1].at:%d %b %Y %H:%M} UTC.")
    raise typer.Exit(0 if verdict.ok else 1)


@audit_app.command("list")
def audit_list(
    line: Annotated[str, typer.Argument(metavar="WORDS", help="As in the page's box: 'who:grace action:session since:yesterday'.")] = "",
    json: Json = False,
) -> None:
    """Show what is on the record, the newest first: a page of it."""
    from core.access import SYSTEM
    from core.services import audit

    with _database():
        page = audit.look(SYSTEM, audit.Asked(line=line))
    if page.complaints:
        raise BillersError(" ".join(page.complaints))
    if json:
        names = ("seq", "at", "actor_name", "address", "action", "subject_type", "subject_id", "details")
        typer.echo(_json_of([_facts(entry, names) for entry in page.entries]))
        return
    for entry in page.entries:
        subject = page.names.get((entry.subject_type, entry.subject_id), entry.subject_id)
        typer.echo(f"{entry.seq:>8}  {entry.at:%Y-%m-%d %H:%M:%S} UTC  {entry.actor_name:<20} {entry.action:<28} {entry.subject_type} {subject}")
    if page.older or page.looked_back_to:
        typer.echo("There is more: narrow it with since: and until:, or take it as a file from the page /audit.")


@keys_app.command("list")
def keys_list(json: Json = False) -> None:
    """Show each key by its name, and what is sealed with it."""
    from core.launch.words import table
    from core.services.vault_keys import list_keys

    with _database():
        keys = list_keys()
    if json:
        typer.echo(_json_of([{**_facts(key, ("name", "state")), "sealed": {str(place): count for place, count in key.sealed.items()}} for key in keys]))
        raise typer.Exit(1 if any(key.is_missing for key in keys) else 0)
    rows = [{"key": key.name, "state": key.state, "sealed": ", ".join(f"{count:,} in {place}" for place, count in key.sealed.items()) or "-"} for key in keys]
    for line in table(rows, ["key", "state", "sealed"]):
        typer.echo(line)
    raise typer.Exit(1 if any(key.is_missing for key in keys) else 0)


@keys_app.command("add")
def keys_add() -> None:
    """Put a new key into the ring: it seals from now on, the older ones go on opening."""
    from core.services.vault_keys import add

    with _database():
        added = add(typer.echo)
    raise typer.Exit(0 if added else 1)


@keys_app.command("rotate")
def keys_rotate() -> None:
    """Seal everything anew with a new key, while payments go on. Called again after a kill, it goes on where it was."""
    from core.services.vault_keys import rotate

    with _database():
        done = rotate(typer.echo)
    for row in done.shut:
        typer.echo(f"No key opens {row}: it was changed, moved from another row, or its key is gone. Enter it again.", err=True)
    raise typer.Exit(1 if done.shut or done.waits_for else 0)


@keys_app.command("retire")
def keys_retire(
    key: str,
    no_backup_needs_it: Annotated[
        bool, typer.Option("--no-backup-needs-it", help="No backup made before the last rotation will be restored, or a copy of the ring is kept with them.")
    ] = False,
) -> None:
    """Take a key out of use for good, once nothing is sealed with it."""
    from core.services.vault_keys import retire

    with _database():
        typer.echo(retire(key, no_backup_needs_it=no_backup_needs_it))


@gate_app.callback()
def gate_state(context: typer.Context, json: Json = False) -> None:
    """Say whether the gate is closed, since when and why."""
    from core.access import SYSTEM
    from core.services import reopening

    if context.invoked_subcommand is not None:
        return
    with _database():
        newest = next(iter(reopening.closings(SYSTEM)), None)
    if json:
        is_open = newest is None or newest.reopened_at is not None
        typer.echo(_json_of({"open": is_open, "gate": None if is_open else _facts(newest, ("number", "closed_at", "because", "doubted"))}))
        raise typer.Exit(0 if is_open else 1)
    if newest is None or newest.reopened_at is not None:
        typer.echo("The gate is open.")
        return
    typer.echo(f"Gate {newest.number} is closed since {newest.closed_at:%d %b %Y %H:%M} UTC, and nothing is sent. {newest.because}")
    typer.echo(f"{newest.doubted:,} payments that wait may have been sent before. They are asked about, not sent, once it is signed off.")
    typer.echo("Compare the billers' statements for the gap, then sign it off on the console's page /gate, or here: billers gate sign-off.")
    raise typer.Exit(1)


@gate_app.command("sign-off")
def gate_sign_off(reason: Annotated[str, typer.Option(help="What was compared, and what came of it: the record keeps it.")]) -> None:
    """Open the gate: what waited is asked about, everything newer is sent."""
    from core.access import SYSTEM
    from core.services import reopening

    with _database():
        doubted = reopening.sign_off(SYSTEM, reason)
    typer.echo(f"The gate is open. {doubted:,} payments may have been sent before: their billers are asked.")


@config_app.callback()
def config_waiting(context: typer.Context, json: Json = False) -> None:
    """Say what waits, with before and after."""
    from core.access import SYSTEM
    from core.services import configuration_approvals

    if context.invoked_subcommand is not None:
        return
    with _database():
        waiting = configuration_approvals.waiting(SYSTEM)
    if json:
        names = ("number", "name", "by", "reason", "expires_at", "changed")
        typer.echo(_json_of([{**_facts(seen, names), "difference": list(seen.in_lines())} for seen in waiting]))
        return
    for seen in waiting:
        typer.echo(f"{seen.number}  {seen.name}: proposed by {seen.by}, until {seen.expires_at:%d %b %Y %H:%M} UTC. {seen.reason}")
        for line in seen.in_lines():
            typer.echo(f"    {line}")
        if seen.changed:
            typer.echo("    It has changed since, and can only be rejected.")
    typer.echo("billers config approve N, or: billers config reject N --reason …" if waiting else "No change of a configuration waits.")


@config_app.command("approve")
def config_approve(number: int) -> None:
    """Approve a change, as whoever runs this machine: for a bank whose one administrator proposed it."""
    from core.access import SYSTEM
    from core.services import configuration_approvals

    with _database():
        version = configuration_approvals.approve(SYSTEM, number)
    typer.echo(f"Change {number} is approved: it is version {version} now.")


@config_app.command("reject")
def config_reject(number: int, reason: Annotated[str, typer.Option(help="Why not: whoever proposed it reads it.")]) -> None:
    """Turn a change down."""
    from core.access import SYSTEM
    from core.services import configuration_approvals

    with _database():
        configuration_approvals.reject(SYSTEM, number, reason)
    typer.echo(f"Change {number} is rejected: the configuration stays as it is.")


@app.command()
def retention(json: Json = False) -> None:
    """Say which months' stories are at hand, which were put away, and which are to be."""
    from core.services.retention import standings
    from core.settings import settings

    with _database():
        found = standings()
    if json:
        typer.echo(_json_of([{**_facts(one.month, ("name", "bytes", "is_attached")), "is_due": one.is_due, "because": one.because} for one in found]))
        return
    keep = settings().billers_keep_months
    typer.echo(
        "Every month is kept at hand: BILLERS_KEEP_MONTHS is not set." if keep is None else f"{keep} whole months before the present one are kept at hand."
    )
    for one in found:
        state = "put away" if not one.month.is_attached else "kept" if not one.is_due else f"stays: {one.because}" if one.because else "to be put away"
        typer.echo(f"{one.month.name}  {one.month.bytes / 1_000_000:>10,.1f} MB  {state}")


@rollups_app.command("verify")
def rollups_verify(json: Json = False) -> None:
    """Compare every sum with the transactions, and make them anew if one differs."""
    from core.services.rollups import verify

    with _database():
        verdict = verify()
    typer.echo(_json_of({"ok": verdict.ok, "sentence": verdict.sentence}) if json else verdict.sentence)
    raise typer.Exit(0 if verdict.ok else 1)


@rollups_app.command("rebuild")
def rollups_rebuild() -> None:
    """Make the sums anew from the transactions; payments and figures go on meanwhile."""
    from core.services.rollups import rebuild

    with _database():
        rows = rebuild()
    typer.echo(f"The sums of {rows:,} transactions were made anew.")


@reports_app.command("make-due")
def reports_make_due() -> None:
    """Make what is due, a handful at most; a worker has it done by itself."""
    from core import db, logs
    from core.services.reports import make_due
    from core.settings import Part, settings

    logs.configure(settings().billers_log_level, settings().billers_log_format)
    # As the worker's role: it makes nothing else than a worker could.
    db.act_as(Part.WORKER)
    os.nice(BACKGROUND_NICENESS)
    with _database():
        taken = make_due()
    typer.echo(f"Reports taken up: {taken}.")


@jobs_app.callback()
def jobs_list(context: typer.Context, json: Json = False) -> None:
    """Say what waits, runs, failed or is dead, and when each schedule ran last and runs next."""
    from core.access import SYSTEM
    from core.launch.words import table
    from core.services import jobs

    if context.invoked_subcommand is not None:
        return
    with _database():
        seen, listed, schedules = jobs.overview(SYSTEM), jobs.listed(SYSTEM), jobs.schedules(SYSTEM)
    if json:
        typer.echo(_json_of({"overview": seen, "jobs": listed, "schedules": schedules}))
        return
    rows = [{"job": str(one.id), "kind": one.name, "state": str(one.state), "tries": str(one.tries), "told": one.told or "-"} for one in listed]
    for line in table(rows, ["job", "kind", "state", "tries", "told"]) if rows else ["No job waits, runs, failed or is dead."]:
        typer.echo(line)
    typer.echo()
    told = [(one, one.last) for one in schedules]
    rows = [
        {
            "schedule": one.name,
            "next": f"{one.next_at:%d %b %Y %H:%M} UTC",
            "last": f"{last.started_at:%d %b %Y %H:%M} UTC" if last else "-",
            "outcome": (last.outcome or "running") if last else "-",
            "told": (last.told or "-") if last else "-",
        }
        for one, last in told
    ]
    for line in table(rows, ["schedule", "next", "last", "outcome", "told"]):
        typer.echo(line)
    if not seen.programs:
        typer.echo("Nobody works on jobs just now: a worker does, once one is started.")


@jobs_app.command("retry")
def jobs_retry(job: int) -> None:
    """Have a job that failed or is dead tried now."""
    from core.access import SYSTEM
    from core.services import jobs

    with _database():
        jobs.retry(SYSTEM, job)
    typer.echo(f"Job {job} is tried again.")


@jobs_app.command("cancel")
def jobs_cancel(job: int) -> None:
    """Have a job not run, or not tried again."""
    from core.access import SYSTEM
    from core.services import jobs

    with _database():
        jobs.cancel(SYSTEM, job)
    typer.echo(f"Job {job} is cancelled.")


@jobs_app.command("run")
def jobs_run(schedule: Annotated[str, typer.Argument(help="As `billers jobs` names it.")]) -> None:
    """Have what a schedule does done now, beside the schedule."""
    from core.access import SYSTEM
    from core.services import jobs

    with _database():
        job = jobs.run_now(SYSTEM, schedule)
    typer.echo(f"Job {job} waits for whoever has a hand free.")


@jobs_app.command("work")
def jobs_work(
    beside: Annotated[int | None, typer.Option(metavar="PID", help="Ends when this process, which started it, is gone.")] = None,
) -> None:
    """Work on jobs until told to stop; a worker has it done by itself."""
    from core import db, logs
    from core.jobs.program import main
    from core.settings import Part, settings

    logs.configure(settings().billers_log_level, settings().billers_log_format)
    db.act_as(Part.WORKER)
    os.nice(BACKGROUND_NICENESS)
    with _database():
        main(beside)


def _database() -> AbstractContextManager[None]:
    from core.launch.database import in_use
    from core.settings import settings

    return in_use(settings())


def _password() -> str:
    """Typed twice and unseen; from a pipe, its first line."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise BillersError("No password was given. Type it, or write it to standard input.")
    return password


def _json_of(answer: object) -> str:
    from core.commands.telling import as_json

    return as_json(answer)


def _facts(item: object, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(item, name) for name in names}


def _one_of(kinds: type[E], said: str, what: str) -> E:
    try:
        return kinds(said.lower())
    except ValueError:
        raise BillersError(f"There is no {what} {said}. Choose one of: {', '.join(one.value for one in kinds)}.") from None


def _aligned(items: Sequence[object], columns: Sequence[str]) -> list[str]:
    from core.launch.words import table

    words = {True: "yes", False: "no"}
    rows = [{column: words.get(value := getattr(item, column), str(value)) for column in columns if hasattr(item, column)} for item in items]
    return table(rows, [column for column in columns if not rows or column in rows[0]])


def _unforeseen(error: Exception) -> str:
    from core.settings import settings

    what = f"Something unforeseen happened ({type(error).__name__})."
    log = settings().billers_data_dir / "logs" / "billers.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            file.writelines(traceback.format_exception(error))
    except OSError:
        return f"{what} {error}"
    return f"{what} The end of {log} says where; an administrator can pass it on."


if __name__ == "__main__":
    app()
