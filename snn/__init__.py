"""A reproducible benchmark suite for training spiking neural networks."""

import os
import signal
import sys
import threading

__version__ = "0.2.0"


def answer_interrupts() -> None:
    """Let Ctrl-C raise KeyboardInterrupt from now on, as in any Python program, also where it falls into a place from
    which Python raises nothing (a finaliser, a callback of a library): there Python would print a traceback and go on;
    here the interrupt comes once more.

    For a process that is about to run a command of ours. Where interrupts are ignored, they stay so.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _again


def _again(lost: "sys.UnraisableHookArgs") -> None:
    if issubclass(lost.exc_type, KeyboardInterrupt):
        soon = threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT))  # at once, it would be lost in here
        soon.daemon = True
        soon.start()
    else:
        sys.__unraisablehook__(lost)


# `python -m snn` or one of its modules is starting. Until its `main` can answer Ctrl-C by a line, the system shall end
# the process: Python, interrupted in an import, answers by a traceback.
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
