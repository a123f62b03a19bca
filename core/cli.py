"""The `billers` command. Each command is thin: it sees to the database, calls the one function that does the work, and prints."""

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from core.errors import BillersError


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
        except Exception as error:
            if type(error).__module__.startswith(("typer", "click")):
                raise  # A wrong option or argument: typer explains it.
            typer.echo(_unforeseen(error), err=True)
            raise typer.Exit(1) from None


REPORTS_NICENESS = 10

app = typer.Typer(cls=PlainSpeaking, help="Billers, a bill-payments console.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
user_app = typer.Typer(help="The people who may sign in.", no_args_is_help=True)
audit_app = typer.Typer(help="The record of who did what.", no_args_is_help=True)
gate_app = typer.Typer(help="The restore gate: closed when the database came back without payments that it had confirmed.", invoke_without_command=True)
rollups_app = typer.Typer(help="The sums that figures are read from.", no_args_is_help=True)
reports_app = typer.Typer(help="The reports that schedules owe.", no_args_is_help=True)
app.add_typer(user_app, name="user")
app.add_typer(audit_app, name="audit")
app.add_typer(gate_app, name="gate")
app.add_typer(rollups_app, name="rollups")
app.add_typer(reports_app, name="reports")


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


@app.command()
def sandbox() -> None:
    """Start the billers and the bank that Billers is tested against."""
    from core.launch.programs import sandbox_arguments
    from core.sandbox.__main__ import main
    from core.settings import settings

    raise typer.Exit(main(sandbox_arguments(settings())))


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
def doctor() -> None:
    """Check the installation, and say what to do about what is wrong."""
    from core.launch.doctor import examine
    from core.settings import settings

    is_healthy = True
    for name, finding in examine(settings()):
        is_healthy = is_healthy and finding.is_ok
        typer.echo(f"{'ok ' if finding.is_ok else 'BAD'}  {name:<18}{finding.sentence}")
    raise typer.Exit(0 if is_healthy else 1)


@user_app.command("add")
def user_add(
    username: str,
    role: Annotated[str, typer.Option(help="What the person may do, as in seeds/roles.toml.")],
    name: Annotated[str, typer.Option(help="The person's name, as others see it.")] = "",
) -> None:
    """Let somebody sign in. The password is asked for, or read from standard input."""
    from core.services.people import add_user

    password = _password()
    with _database():
        add_user(username, name or username, role, password)
    typer.echo(f"{username} can sign in.")


@user_app.command("list")
def user_list() -> None:
    """Show who may sign in."""
    from core.services.people import list_users

    with _database():
        people = list_users()
    for line in _aligned(people, ("username", "display_name", "role", "disabled")):
        typer.echo(line)


@user_app.command("disable")
def user_disable(username: str) -> None:
    """Let somebody sign in no longer, and end their sessions."""
    from core.services.people import disable_user

    with _database():
        disable_user(username)
    typer.echo(f"{username} can no longer sign in.")


@user_app.command("passwd")
def user_passwd(username: str) -> None:
    """Give somebody a new password. It is asked for, or read from standard input."""
    from core.services.people import set_password

    password = _password()
    with _database():
        set_password(username, password)
    typer.echo(f"{username} has a new password.")


@audit_app.command("verify")
def audit_verify() -> None:
    """Check that no audit entry was changed, removed or slipped in."""
    from core.services.audit import verify

    with _database():
        verdict = verify()
    typer.echo(verdict.sentence)
    raise typer.Exit(0 if verdict.ok else 1)


@gate_app.callback()
def gate_state(context: typer.Context) -> None:
    """Say whether the gate is closed, since when and why."""
    from core.access import SYSTEM
    from core.services import reopening

    if context.invoked_subcommand is not None:
        return
    with _database():
        newest = next(iter(reopening.closings(SYSTEM)), None)
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


@app.command()
def retention() -> None:
    """Say which months' stories are at hand, which were put away, and which are to be."""
    from core.services.retention import standings
    from core.settings import settings

    with _database():
        found = standings()
    keep = settings().billers_keep_months
    typer.echo(
        "Every month is kept at hand: BILLERS_KEEP_MONTHS is not set." if keep is None else f"{keep} whole months before the present one are kept at hand."
    )
    for one in found:
        state = "put away" if not one.month.is_attached else "kept" if not one.is_due else f"stays: {one.because}" if one.because else "to be put away"
        typer.echo(f"{one.month.name}  {one.month.bytes / 1_000_000:>10,.1f} MB  {state}")


@rollups_app.command("verify")
def rollups_verify() -> None:
    """Compare every sum with the transactions, and make them anew if one differs."""
    from core.services.rollups import verify

    with _database():
        verdict = verify()
    typer.echo(verdict.sentence)
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
    from core import logs
    from core.services.reports import make_due
    from core.settings import settings

    logs.configure(settings().billers_log_level)
    # Whoever pays at this moment goes first.
    os.nice(REPORTS_NICENESS)
    with _database():
        taken = make_due()
    typer.echo(f"Reports taken up: {taken}.")


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
