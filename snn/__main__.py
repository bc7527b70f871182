"""`python -m snn`: the command line."""

import os
import signal
import sys

from snn.cli import main

if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "agg")
    status = main()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python, interrupted while it ends, would answer by a traceback
    sys.exit(status)
