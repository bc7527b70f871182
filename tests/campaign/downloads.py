"""Downloads from a server that truncates, resets, lies and refuses; and archives with odd members."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import os
import random
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from snn.data.download import fetch, unpack
from snn.errors import UserError
from snn.runtime.fetch import checked_file
from tests.data import mutations as bytewise

from .runner import Finding, Part, Verdict, refused

CONTENT = bytes(range(256)) * 800
SUM = hashlib.sha256(CONTENT).hexdigest()
FAULTS = ("none", "cut", "reset", "bytes", "status", "length", "empty", "no ranges", "garbage", "redirect", "hang")


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT, with the faults of `plan`, one a request; without any after them."""

    plan: list[tuple[str, int]]

    def do_GET(self) -> None:
        fault, at = self.plan.pop(0) if self.plan else ("none", 0)
        asked = self.headers.get("Range")
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and fault != "no ranges" else 0
        content = CONTENT[first:]
        with contextlib.suppress(OSError):
            match fault:
                case "status":
                    return self.send_error((400, 401, 403, 404, 429, 500, 503)[at % 7])
                case "garbage":
                    self.wfile.write(b"\0\xff" * (1 + at % 999) + b"\r\n\r\n")
                    return None
                case "redirect":
                    self.send_response(302)
                    self.send_header("Location", self.path)
                    return self.end_headers()
                case "hang":
                    self.server.stopped.wait(3)  # type: ignore[attr-defined]
                    return None
                case "bytes":
                    content = bytewise.mutated(content, random.Random(at))
                case "empty":
                    content = b""
            if first >= len(CONTENT):
                return self.send_error(416)
            self.send_response(206 if first else 200)
            length = len(content) + (at % 5 - 2 if fault == "length" else 0)
            self.send_header("Content-Length", str(max(length, 0)))
            self.end_headers()
            self.wfile.write(content[: at % (len(content) + 1)] if fault in ("cut", "reset") else content)
            if fault == "reset":
                self.connection.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER 0: the connection ends by a reset
                self.close_connection = True
        return None

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def server(plan: list[tuple[str, int]]) -> Iterator[str]:
    own = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"plan": plan}))
    own.stopped = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=own.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{own.server_port}/file"
    finally:
        own.stopped.set()  # type: ignore[attr-defined]
        own.shutdown()
        own.server_close()


def download(rng: random.Random) -> Verdict:
    """Each try is refused in one line or leaves the whole file; without faults at last, it does."""
    plan = [(rng.choice(FAULTS), rng.getrandbits(20)) for _ in range(rng.choice((1, 1, 2, 3)))]
    pooch = rng.random() < 0.2
    said = ""
    os.environ |= {"http_proxy": "", "no_proxy": "127.0.0.1"}
    with tempfile.TemporaryDirectory() as folder, server(plan) as url:
        path = Path(folder) / "raw" / "file"
        for _ in range(len(plan) + (25 if pooch else 20)):  # a redirect to itself is asked for ten times
            try:
                if pooch:
                    checked_file(path, SUM, url)
                else:
                    fetch(url, path, SUM, timeout=1)
                break
            except UserError as error:
                said = refused(error, url, str(path)).text
                if path.exists():
                    raise Finding(f"refused, and the file is there: {said}") from None
        else:
            raise Finding(f"never downloaded: {said}")
        if path.read_bytes() != CONTENT:
            raise Finding("accepted, and it is another file")
        if left := [p.name for p in path.parent.iterdir() if p != path]:
            raise Finding(f"left behind: {left}")
    return Verdict("refused", said) if said else Verdict("accepted")


MEMBERS = ("root/a", "root/b", "root/../c", "../d", "/tmp/snn-escaped", "root/", "root/deep/e", "root/" + "x" * 255,
           "root/ü", "root/..", "root/.", "", ".", "root")  # fmt: skip
TYPES = (tarfile.REGTYPE,) * 6 + (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE)


def archive(rng: random.Random) -> Verdict:
    """A `.tar.gz` of odd or damaged content, whose checksum fits: nothing of it lies elsewhere, nothing is half."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=rng.choice((0, 1, 2))) as tar:
        for _ in range(rng.choice((0, 1, 3, 9))):
            member = tarfile.TarInfo(rng.choice(MEMBERS))
            member.type = rng.choice(TYPES)
            member.linkname = rng.choice(("/etc/passwd", "../..", "a", "root/a"))
            content = rng.randbytes(rng.choice((0, 10, 5000))) if member.isreg() else b""
            member.size, member.mode = len(content), rng.choice((0, 0o644, 0o777, 0o6755))
            with contextlib.suppress(ValueError, UnicodeError):
                tar.addfile(member, io.BytesIO(content))
        for name in ("root/a", "root/b") if rng.random() < 0.7 else ("root/a",):
            member = tarfile.TarInfo(name)
            member.size = 100
            tar.addfile(member, io.BytesIO(bytes(100)))
    content = out.getvalue() if rng.random() < 0.5 else bytewise.mutated(out.getvalue(), rng)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "inner" / "archive.tar.gz"
        file.parent.mkdir()
        file.write_bytes(content)
        try:
            target = unpack(file, "root", ["a", "b"], hashlib.sha256(content).hexdigest())
            verdict = Verdict("accepted")
            if not all((target / name).is_file() for name in ("a", "b")):
                raise Finding("accepted without its members")
        except UserError as error:
            verdict = refused(error, str(file))
            if (file.parent / "root").exists():
                raise Finding("refused, and half of it is there") from None
        lies = [p for p in Path(folder).rglob("*") if p.is_symlink() or not p.resolve().is_relative_to(file.parent)]
        lies += [p for p in file.parent.iterdir() if p.name not in ("archive.tar.gz", "root")]
        if lies := [p for p in lies if p != file.parent]:
            raise Finding(f"something lies where it must not: {lies[:3]}")
    return verdict


PARTS = [
    Part("downloads/server", download, share=0.01, address_space=False),
    Part("downloads/archives", archive, share=0.1),
]
