"""The log tells what happened and where, and never what was in a variable."""

import contextlib
import json
import sys
from pathlib import Path

import pytest
import structlog

from core import logs


def fail(password: str) -> None:
    raise RuntimeError(f"{len(password)} characters did not help")


def test_a_trace_in_the_log_has_no_values_of_variables(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    try:
        fail("-".join(("granite", "lantern", "violet")))
    except RuntimeError:
        structlog.get_logger().exception("it failed", account="100001")
    line = capsys.readouterr().err
    told = json.loads(line)
    assert (told["event"], told["account"], told["level"]) == ("it failed", "100001", "error")
    assert "in fail" in told["exception"]
    assert "granite-lantern" not in line
    structlog.reset_defaults()


def test_what_is_less_severe_than_asked_for_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("WARNING")
    structlog.get_logger().info("chatter")
    structlog.get_logger().warning("trouble")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["trouble"]
    structlog.reset_defaults()


def test_a_full_disk_under_the_log_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stderr", full)
        logs.configure()
        with pytest.raises(OSError, match="No space left"):
            print("It is full.", file=full, flush=True)
        structlog.get_logger().error("it is dropped")
        monkeypatch.setattr(sys, "stdout", full)
        logs.say("so is this")
        with pytest.raises(OSError, match="No space left"):
            full.flush()
        with contextlib.suppress(OSError):
            full.close()
    structlog.reset_defaults()
