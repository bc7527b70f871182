"""A publisher's archive: downloaded, verified by its checksum, and unpacked safely."""

from __future__ import annotations

import gzip
import http.client
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from pathlib import Path

from tqdm import tqdm

from snn.errors import DataError
from snn.runtime import files

BLOCK = 1 << 20


def fetch(url: str, path: Path, sha256: str, timeout: float = 60) -> None:
    """Download the file at `url` to `path`; `DataError` unless it has this SHA-256 (hex). timeout: in seconds.

    A download that is cut off stays as `<path>.part`, and the next call goes on where it ended.
    """
    part = path.with_name(path.name + ".part")
    by_hand = f"try again later, or put the file there yourself as {path}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _transfer(url, part, timeout)
    except urllib.error.HTTPError as error:
        raise DataError(f"{url}: the server answers {error.code} ({str(error.reason)[:100]}); {by_hand}") from None
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = repr(str(getattr(error, "reason", None) or error))[1:-1][:200]  # may hold what the server sent
        raise DataError(f"{url}: no connection ({reason}); {by_hand}") from None
    if files.sha256(part) != sha256:
        part.unlink()
        raise DataError(f"{url}: the downloaded file does not match its checksum and was deleted; {by_hand}")
    part.replace(path)


def _transfer(url: str, part: Path, timeout: float) -> None:
    """Download the bytes that `part` still lacks."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the part is complete already; the checksum tells whether it is the right file
            return
        raise
    with response, open(part, "ab" if response.status == 206 else "wb") as f:
        have = f.tell()
        length = response.headers["Content-Length"]
        total = None if length is None else have + int(length)
        bar = tqdm(total=total, initial=have, desc=part.stem, unit="B", unit_scale=True, file=sys.stderr, mininterval=1)
        with bar:
            while block := response.read(BLOCK):
                f.write(block)
                bar.update(len(block))
        if total is not None and f.tell() < total:
            raise http.client.IncompleteRead(b"", total - f.tell())


def unpack(archive: Path, root: str, members: list[str], sha256: str) -> Path:
    """`<folder of the archive>/<root>`, unpacked from the `.tar.gz` unless all of `members` are there.

    members: names of files directly in `root`. `DataError` for an archive of another checksum. Only these are
    extracted, and only as regular files, into a temporary folder that is renamed when complete: an archive can neither
    write elsewhere nor leave links or half a folder.
    """
    target = archive.parent / root
    if all((target / name).is_file() for name in members):
        return target
    again = "delete it, and download it again"
    if files.sha256(archive) != sha256:
        raise DataError(f"{archive}: does not match its checksum; it is truncated, damaged or another file: {again}")
    temporary = Path(tempfile.mkdtemp(dir=archive.parent, prefix=f".{root}.", suffix=".tmp"))
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = member.name.removeprefix(f"{root}/")
                source = tar.extractfile(member) if member.isreg() and name in members else None
                if source is not None:
                    with source, open(temporary / name, "wb") as f:
                        shutil.copyfileobj(source, f, BLOCK)
        if absent := [name for name in members if not (temporary / name).is_file()]:
            raise DataError(f"{archive}: holds no {root}/{absent[0]}; {again}")
        shutil.rmtree(target, ignore_errors=True)  # it is incomplete: a complete one was returned above
        temporary.chmod(0o755)
        temporary.rename(target)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}); {again}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target
