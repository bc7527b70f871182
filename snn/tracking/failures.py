"""What goes wrong with MLflow, as one line that says what to do, without anybody's password."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from snn.errors import UserError

NOTHING_LOST = "no result is lost: they are in files, and `snn mlflow-sync` brings them to MLflow at any time"


def server() -> str:
    """The address of the user's server, or an empty string where the local store is used."""
    return os.environ.get("MLFLOW_TRACKING_URI", "").strip()


@contextmanager
def answering(store: Path) -> Iterator[None]:
    """Any failure of the server, or of the local store in this folder, as a UserError with a remedy."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        what = reason(error)
        if uri := server():
            subject, remedy = f"MLFLOW_TRACKING_URI={clean(uri)}", _remedy_of_server(uri, str(error))
        else:
            subject, remedy = str(store), _remedy_of_store(store, error, what)
        raise UserError(f"{subject}: {what}; {remedy} ({NOTHING_LOST})") from None


def _remedy_of_server(uri: str, text: str) -> str:
    address = urlsplit(uri)
    host = address.netloc.rpartition("@")[2]
    if "Invalid Host header" in text:
        return f"that server does not go by this name: start it with `--allowed-hosts` that lists {host!r} too"
    if "error code 401" in text:
        return "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to an account of that server"
    if "error code 403" in text or "Permission denied" in text:
        return "ask whoever runs that server for an account that may write"
    return "start that server, correct the variable, or unset it to use the local store"


def _remedy_of_store(store: Path, error: Exception, what: str) -> str:
    code = getattr(error, "errno", None)
    if code in (errno.EACCES, errno.EPERM, errno.EROFS) or "readonly database" in what:
        return "make that folder writable, or set MLFLOW_TRACKING_URI to a server"
    if code in (errno.ENOSPC, errno.EDQUOT) or "disk is full" in what:
        return "free the disk"
    return f"delete {store}, it is only a view"


def reason(error: BaseException) -> str:
    """The innermost reason on one short line."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    text = getattr(error, "strerror", None) or getattr(error, "orig", None) or error
    return clean(" ".join(str(text).split()))[:200] or type(error).__name__


def clean(text: str) -> str:
    """`text` without passwords in addresses and without the values of secret environment variables."""
    text = re.sub(r"(\w://)[^/\s@]+@", r"\1***@", text)
    for name, value in os.environ.items():
        if len(value) >= 6 and re.search("TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_KEY", name, re.I):
            text = text.replace(value, "***")
    return text
