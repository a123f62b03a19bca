"""`python -m core.sandbox`: the command line, and nothing else."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from core.sandbox import server
from core.sandbox.accounts import BadAccounts
from core.sandbox.journal import Unusable

CHECKOUT = Path(__file__).resolve().parents[2]
ACCOUNTS = CHECKOUT / "seeds" / "sandbox.toml"
RECORDINGS = CHECKOUT / "tests" / "fixtures"


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until told to stop (0). 2: it could not start, or its ledger could not be written; a sentence on stderr says why."""
    asked = _parser().parse_args(argv)
    try:
        asyncio.run(
            server.run(port=asked.port, control_port=asked.control_port, directory=asked.dir, accounts_file=asked.accounts, recordings=asked.recordings)
        )
    except (Unusable, BadAccounts) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m core.sandbox", description="Serves test billers on 127.0.0.1.")
    parser.add_argument("--port", type=port_number, default=8601, help="port of the billers; 0 takes a free one")
    parser.add_argument("--control-port", type=port_number, default=8602, help="port that sets faults; 0 takes a free one")
    parser.add_argument("--dir", type=Path, required=True, help="where the ledgers are kept")
    parser.add_argument("--accounts", type=Path, default=ACCOUNTS, help="the test accounts (default: seeds/sandbox.toml)")
    parser.add_argument("--recordings", type=Path, default=RECORDINGS, help="folders of recordings; billers that are not known are replayed from them")
    return parser


def port_number(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError(text)
    return port


if __name__ == "__main__":
    sys.exit(main())
