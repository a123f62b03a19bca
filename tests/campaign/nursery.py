"""A process that has read all the code once, and whose children are born in milliseconds: a worker's death costs no start.

Orders come as lines of JSON on its standard input, news go out as lines on its standard output. A child is a process of its own: it makes its own
connections, and SIGKILL ends it and nothing else.
"""

import ctypes
import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.settings import CHECKOUT, child_environment
from tests.campaign.harness import PATIENCE_SECONDS, until

PR_SET_PDEATHSIG = 1
LOOK_SECONDS = 0.02


class Nursery:
    """The parent's side. What children print goes to a file in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / "children.log"
        self._ended: dict[int, int] = {}
        self._born: dict[int, int] = {}
        self._orders = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.campaign.nursery", str(self.log)],
            cwd=CHECKOUT,
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def bear(self, role: str, **order: Any) -> int:
        """Answers the child's process id."""
        self._orders += 1
        number = self._orders
        self._say({"bear": role, "number": number, "order": order})
        return until(lambda: self._born.get(number), f"a {role} is born", PATIENCE_SECONDS)

    def kill(self, pid: int) -> None:
        """SIGKILL, unless it has ended: its number may be somebody else's by then."""
        self._say({"signal": signal.SIGKILL, "to": pid})

    def ask_to_stop(self, pid: int) -> None:
        self._say({"signal": signal.SIGTERM, "to": pid})

    def has_ended(self, pid: int) -> bool:
        return pid in self._ended

    def signal_of(self, pid: int) -> int:
        """What ended it: 0 for an end of its own will."""
        return os.WTERMSIG(self._ended[pid]) if os.WIFSIGNALED(self._ended[pid]) else 0

    def close(self) -> None:
        """Ends whoever is left."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_SECONDS)
        self._reading.join(PATIENCE_SECONDS)
        self._process.stdout.close()

    def _say(self, order: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            news = json.loads(line)
            if "born" in news:
                self._born[news["number"]] = news["born"]
            else:
                self._ended[news["ended"]] = news["status"]


# ---- The process itself


def main(log: str) -> int:
    from tests.campaign import crowd, mortal_worker

    roles: Mapping[str, Callable[[Mapping[str, Any]], int]] = {"worker": mortal_worker.live, "operators": crowd.serve}
    gc.freeze()
    children: set[int] = set()
    waiting = b""
    while True:
        readable, _, _ = select.select([0], [], [], LOOK_SECONDS)
        if readable:
            said = os.read(0, 1 << 16)
            if not said:
                break
            *lines, waiting = (waiting + said).split(b"\n")
            for line in lines:
                _obey(json.loads(line), roles, children, log)
        _bury(children)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    return 0


def _obey(order: Mapping[str, Any], roles: Mapping[str, Callable[[Mapping[str, Any]], int]], children: set[int], log: str) -> None:
    if "bear" in order:
        pid = os.fork()
        if pid == 0:
            os._exit(_grow_up(roles[order["bear"]], order["order"], log))
        children.add(pid)
        _tell({"born": pid, "number": order["number"]})
    elif order["to"] in children:
        os.kill(order["to"], order["signal"])


def _grow_up(role: Callable[[Mapping[str, Any]], int], order: Mapping[str, Any], log: str) -> int:
    """The child's whole life. It does not outlive the nursery, and shares nothing with it but the code."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    nothing, kept = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for opened, number in ((nothing, 0), (kept, 1), (kept, 2)):
        os.dup2(opened, number)
    try:
        return role(order)
    except BaseException as error:  # noqa: BLE001 - a child must not go on as a second nursery, whatever happens
        print(f"{type(error).__name__}: {error}", flush=True)
        return 1


def _bury(children: set[int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        children.discard(pid)
        _tell({"ended": pid, "status": status})


def _tell(news: Mapping[str, Any]) -> None:
    os.write(1, json.dumps(news).encode() + b"\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
