"""A reproducible benchmark suite for training spiking neural networks."""

import signal
import sys

__version__ = "0.2.0"

# `python -m snn` or one of its modules is starting. Until its `main` can answer Ctrl-C by a line, the system shall end
# the process: Python, interrupted in an import, answers by a traceback.
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
