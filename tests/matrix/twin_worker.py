"""A worker that is called like every other of its kind: two containers of one host name, and of one process number. Otherwise the real one."""

import os
import socket

from core import worker

if __name__ == "__main__":
    socket.gethostname = lambda: "twin"
    os.getpid = lambda: 1
    raise SystemExit(worker.main())
