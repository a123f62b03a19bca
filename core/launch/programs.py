"""Knows which programs make up the console, in the order in which they start. They stop in the opposite order."""

import sys
from collections.abc import Sequence

from core.launch.children import Program, answers, has_succeeded, says
from core.launch.ports import Port
from core.settings import CHECKOUT, Settings

HEALTH = "/_stcore/health"


def programs(chosen: Settings) -> Sequence[Program]:
    """Everything `billers up` starts after the database."""
    table = [
        (True, Program("migrate", _billers("migrate"), has_succeeded, stays=False)),
        (True, Program("seed", _billers("seed"), has_succeeded, stays=False)),
        (chosen.billers_sandbox, Program("sandbox", sandbox(chosen), says(lambda line: line.startswith("{")), note=f"port {chosen.billers_sandbox_port}")),
        (chosen.enable_background_jobs, Program("worker", _billers("worker"), says(lambda line: line == "ready"))),
        (True, web(chosen)),
        (chosen.billers_sandbox and chosen.billers_demo_transactions > 0, demo(chosen)),
    ]
    return [program for is_wanted, program in table if is_wanted]


def ports(chosen: Settings) -> Sequence[Port]:
    """Every port that these programs listen on."""
    console = [Port(chosen.port, "PORT", "the console", chosen.billers_bind)]
    if not chosen.billers_sandbox:
        return console
    return [
        *console,
        Port(chosen.billers_sandbox_port, "BILLERS_SANDBOX_PORT", "the sandbox's billers"),
        Port(chosen.billers_sandbox_control_port, "BILLERS_SANDBOX_CONTROL_PORT", "the sandbox's faults"),
    ]


def web(chosen: Settings) -> Program:
    options = {"port": chosen.port, "address": chosen.billers_bind, "headless": "true"}
    arguments = [word for name, value in options.items() for word in (f"--server.{name}", str(value))]
    return Program("web", (sys.executable, "-m", "streamlit", "run", "Home.py", *arguments), answers(chosen.port, HEALTH), note=f"port {chosen.port}")


def demo(chosen: Settings) -> Program:
    """Takes some seconds the first time: nobody has to wait for it before signing in."""
    return Program("demo", _billers("seed", "--demo", str(chosen.billers_demo_transactions)), has_succeeded, stays=False, is_awaited=False)


def sandbox(chosen: Settings) -> tuple[str, ...]:
    return (sys.executable, "-m", "core.sandbox", *sandbox_arguments(chosen))


def sandbox_arguments(chosen: Settings) -> list[str]:
    options = {
        "port": chosen.billers_sandbox_port,
        "control-port": chosen.billers_sandbox_control_port,
        "dir": chosen.billers_data_dir / "sandbox",
        "accounts": CHECKOUT / "seeds" / "sandbox.toml",
    }
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


def _billers(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "core.cli", *words)
