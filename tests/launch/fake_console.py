"""Runs the launcher over programs of a test's own, so that no test of the launcher depends on what the console's programs do.

    fake_console.py DIRECTORY PROGRAMS [embedded]

PROGRAMS is JSON: a list of [name, Python code, stays, is awaited]; a program that stays is ready when it prints `ready`.
"""

import json
import sys
from pathlib import Path

from core.errors import BillersError
from core.launch import up
from core.launch.children import Program, has_succeeded, says
from core.launch.embedded import EmbeddedPostgres
from core.launch.words import Console
from core.settings import child_environment

# A test need not wait as long as a crash loop should.
up.FIRST_WAIT_SECONDS = 0.1
up.DATABASE_LOOK_SECONDS = 0.1

directory = Path(sys.argv[1])
programs = [
    Program(name, (sys.executable, "-c", code), says(lambda line: line == "ready") if stays else has_succeeded, stays=stays, is_awaited=is_awaited)
    for name, code, stays, is_awaited in json.loads(sys.argv[2])
]
server = EmbeddedPostgres(directory, directory / "run") if "embedded" in sys.argv[3:] else None
try:
    code = up.Launcher(server, programs, directory / "logs", child_environment(), Console()).run(["All is up."])
except BillersError as error:
    print(error.sentence)
    code = 1
raise SystemExit(code)
