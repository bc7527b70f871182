"""Errors that are the user's to mend: one line that names the file or key, and the remedy."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something outside the code is wrong. The message says what, where, and what to do about it.

    The command line prints it as one line and exits with status 2, without a traceback.
    """


class ConfigError(UserError):
    """A configuration key or value that cannot be used; the message names the key."""


class DataError(UserError):
    """A file or folder with data that cannot be used; the message names the file."""


class Diverged(Exception):
    """Training produced NaN or infinite numbers. A result of that cell, not a fault of the program.

    history: the rows of the epochs before it.
    """

    def __init__(self, reason: str):
        super().__init__(reason)
        self.history: list[dict[str, float]] = []


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`"; did you mean 'mtt'?"` for the nearest known name, and the list of all of them."""
    known = sorted(known)
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    near.sort(key=lambda each: sorted(each) != sorted(name))  # letters in another order are the likeliest slip
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{hint} (known: {', '.join(known)})"
