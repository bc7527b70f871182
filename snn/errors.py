"""Errors that are the user's to mend: one line that names the file or key, and the remedy."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from difflib import get_close_matches

LONGEST_LINE, MOST_LINES = 1000, 10
"""Of a message: characters and lines."""


class UserError(Exception):
    """Something outside the code is wrong. The message says what, where, and what to do about it.

    The command line prints it as one line and exits with status 2, without a traceback. A message may quote what was
    given: of long lines the middle is left out, and of many lines the rest.
    """

    def __str__(self) -> str:
        lines = super().__str__().split("\n")
        more = [f"and {len(lines) - MOST_LINES} more faults"] if len(lines) > MOST_LINES else []
        return "\n".join([*map(_shortened, lines[:MOST_LINES]), *more])


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


def explained(error: OSError) -> str:
    """What the system refused, where, and what to do about it, in one line."""
    where = _shortened(str(error.filename or "while writing"), 300)
    reason = os.strerror(error.errno).lower() if error.errno else _shortened(str(error))
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left on the disk ({where}); free some and run again: what was finished is kept"
    if error.errno == errno.ENOENT:
        return f"{where}: {reason}; what it needs is made by running snakemake"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{where}: {reason}; give this user the right to write there, or run in another folder"
    if error.errno == errno.ELOOP:
        return f"{where}: {reason}; a symbolic link leads back to itself: remove it"
    return f"{where}: {reason}; mend that and run again: what was finished is kept"


def _shortened(line: str, length: int = LONGEST_LINE) -> str:
    """A line without its middle, where it is long: the end says what to do."""
    return line if len(line) <= length else f"{line[: length // 2]} [...] {line[-length // 2 :]}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`"; did you mean 'mtt'?"` for the nearest known name, and the list of all of them."""
    known = sorted(known)
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    near.sort(key=lambda each: sorted(each) != sorted(name))  # letters in another order are the likeliest slip
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{hint} (known: {', '.join(known)})"
