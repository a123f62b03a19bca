"""The log tells what happened and where, and never what was in a variable."""

import json

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
