"""Files of others: found where they are said to be, or fetched there, and checked."""

from __future__ import annotations

from pathlib import Path

from snn.errors import DataError


def checked_file(path: Path, sha256: str, url: str = "") -> Path:
    """`path`, which is fetched from `url` where it is not there (by pooch), if it has this SHA-256 (hex).

    Raises `DataError`, naming file and remedy.
    """
    import pooch

    if not path.exists():
        if not url:
            raise DataError(f"{path}: no such file, and no url to fetch it from; put it there")
        try:
            pooch.retrieve(url, f"sha256:{sha256}", fname=path.name, path=path.parent)
        except Exception as error:  # pooch and its transports raise many types: all mean that there is no file
            reason = (str(error).splitlines() or [""])[0][:200]
            raise DataError(
                f"{path}: not there, and not to be had from {url} ({type(error).__name__}: {reason}); put the file "
                "there yourself"
            ) from None
    digest = pooch.file_hash(str(path), alg="sha256")
    if digest != sha256:
        raise DataError(
            f"{path}: has the SHA-256 {digest}, not {sha256 or '(none given)'}; another file, or a damaged one"
        )
    return path
