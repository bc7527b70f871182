"""Damaged raw data for every reader, from seeds: the same reader and number give the same damage.

    python -m data.mutations --trials 1000 --first 0 --reader nmnist     (from the folder `tests`)

A trial makes a small intact data set, damages one of its files and converts it. It may end in two ways: the conversion
refuses the data with one line that names a file and a remedy (`refused`), or it leaves a store that opens and gives its
frames or images (`accepted`). Everything else is a finding: another exception, a message of several lines, a crash of
the interpreter, more than `SECONDS` or `MEMORY`.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from snn.data.conversion import convert
from snn.data.format import Sensor
from snn.data.readers import cifar10, cifar10dvs
from snn.data.store import EventStore, ImageStore, open_store
from snn.errors import UserError

from . import aedat4
from .event_data import bin_bytes, random_events
from .event_writers import WRITERS
from .image_data import write_folder, write_idx

SECONDS, MEMORY = 20, 6 << 30
REMEDIES = ("replace", "delete", "take", "put", "install", "set ", "unpack", "resize", "save it", "name them", "mend",
            "change", "ask for", "remove", "state")  # fmt: skip

# --- small intact data sets: each writes files into `folder` and returns (the reader's params, the split's block)

Layout = Callable[[Path], tuple[dict[str, Any], dict[str, Any]]]


def nmnist(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(0)
    for split in ("Train", "Test"):
        for digit in "01":
            (folder / split / digit).mkdir(parents=True)
            for i in range(4):
                content = bin_bytes(random_events(rng, 60, Sensor(34, 34)))
                (folder / split / digit / f"{i:05d}.bin").write_bytes(content)
    return {"folder": str(folder)}, {"validation": 2}


def cifar10_dvs(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of each class one recording in each of the compressions."""
    rng = np.random.default_rng(0)
    for name in cifar10dvs.CLASSES:
        (folder / name).mkdir(parents=True)
        for compression in aedat4.COMPRESSIONS:
            events = random_events(rng, 250, Sensor(128, 128))
            aedat4.write(folder / name / f"{compression}.aedat4", events, compression=compression)
    return {"folder": str(folder)}, {"validation": 10, "test": 10}


def idx(folder: Path, end: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    write_idx(folder, end=end)
    return {"folder": str(folder)}, {"validation": 10}


def idx_gz(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    return idx(folder, ".gz")


def png(folder: Path, suffix: str = ".png") -> tuple[dict[str, Any], dict[str, Any]]:
    write_folder(folder, suffix=suffix)
    return {"folder": str(folder)}, {"validation": 3}


def jpeg(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    return png(folder, ".jpg")


def cifar(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The unpacked batches, with 30 records each; the reader is told to expect just these."""
    rng = np.random.default_rng(1)
    cifar10.LAYOUT = replace(cifar10.LAYOUT, batches={n: (s, 30) for n, (s, _) in cifar10.LAYOUT.batches.items()})
    root = folder / cifar10.LAYOUT.root
    root.mkdir(parents=True)
    for name in cifar10.LAYOUT.batches:
        records = rng.integers(0, 256, (30, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(30) % 10
        (root / name).write_bytes(records.tobytes())
    (root / cifar10.LAYOUT.names).write_text("".join(f"class{i}\n" for i in range(10)))
    return {"folder": str(folder)}, {"validation": 10}


def event_folder(suffix: str) -> Layout:
    """Two classes of three recordings in one format."""

    def make(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        rng = np.random.default_rng(0)
        for name in ("left", "right"):
            (folder / name).mkdir(parents=True)
            for i in range(3):
                WRITERS[suffix](folder / name / f"{i}{suffix}", random_events(rng, 60, Sensor(30, 40)))
        params = {"folder": str(folder), "width": 40, "height": 30}
        return params, {"validation": 2, "test": 2}

    return make


def dvs_gesture(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(0)
    folder.mkdir()
    for listed, name in (("train", "user01_led"), ("test", "user24_lab")):
        (folder / f"trials_to_{listed}.txt").write_text(f"{name}.aedat\n")
        WRITERS[".aedat"](folder / f"{name}.aedat", random_events(rng, 2200, Sensor(128, 128), 2_200_000))
        rows = [f"{1 + i % 11},{100_000 * i},{100_000 * (i + 1)}\n" for i in range(22)]
        (folder / f"{name}_labels.csv").write_text("class,startTime_usec,endTime_usec\n" + "".join(rows))
    return {"folder": str(folder)}, {"validation": 11}


def n_caltech101(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(0)
    for name in ("Faces_easy", "yin_yang"):
        (folder / name).mkdir(parents=True)
        for i in range(12):
            WRITERS[".bin"](folder / name / f"image_{i:04d}.bin", random_events(rng, 60, Sensor(180, 240)))
    return {"folder": str(folder), "published_split": "names-90"}, {"validation": 2}


def tiny_imagenet(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    rng, lines = np.random.default_rng(0), []
    names = ("n02124075", "n01443537")
    (folder / "val" / "images").mkdir(parents=True)
    (folder / "wnids.txt").write_text("".join(f"{name}\n" for name in names))

    def save(file: Path) -> None:
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(file, "JPEG")

    for i, name in enumerate(names):
        (folder / "train" / name / "images").mkdir(parents=True)
        for k in range(2):
            save(folder / "train" / name / "images" / f"{name}_{k}.JPEG")
        save(folder / "val" / "images" / f"val_{i}.JPEG")
        lines.append(f"val_{i}.JPEG\t{name}\t0\t0\t9\t9\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    return {"folder": str(folder)}, {"validation": 2}


LAYOUTS: dict[str, tuple[str, Layout]] = {
    "nmnist": ("nmnist", nmnist),
    "idx": ("idx", idx),
    "idx .gz": ("idx", idx_gz),
    "image-folder .png": ("image-folder", png),
    "image-folder .jpg": ("image-folder", jpeg),
    "cifar10": ("cifar10", cifar),
    "dvs-gesture": ("dvs-gesture", dvs_gesture),
    "n-caltech101": ("n-caltech101", n_caltech101),
    "tiny-imagenet": ("tiny-imagenet", tiny_imagenet),
    "cifar10dvs .aedat4": ("cifar10dvs", cifar10_dvs),
} | {f"event-folder {suffix.strip()}": ("event-folder", event_folder(suffix)) for suffix in WRITERS}
"""Name of a campaign -> (reader, its intact data)."""
for ending, package in ((".aedat4", "aedat"), (".h5", "h5py")):  # optional packages
    if not find_spec(package):
        LAYOUTS = {name: layout for name, layout in LAYOUTS.items() if not name.endswith(ending)}

# --- damage


def mutated(content: bytes, rng: random.Random) -> bytes:
    """`content` with one to three kinds of damage."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = rng.choice(MUTATIONS)(bytearray(content), rng)
    return bytes(content)


def truncate(c: bytearray, rng: random.Random) -> bytes:
    return bytes(c[: rng.randrange(len(c) + 1)])


def flip_bits(c: bytearray, rng: random.Random) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        if c:
            c[rng.randrange(len(c))] ^= 1 << rng.randrange(8)
    return bytes(c)


def extreme_integer(c: bytearray, rng: random.Random) -> bytes:
    """An integer of 1 to 8 bytes, mostly in the header, becomes an extreme one."""
    code = rng.choice("bhiq")
    size = struct.calcsize(code)
    if len(c) < size:
        return bytes(c)
    bits = 8 * size - 1
    value = rng.choice((0, 1, -1, (1 << bits) - 1, -(1 << bits), 1 << rng.randrange(bits)))
    at = rng.randrange(min(len(c), rng.choice((16, 64, 256, len(c)))) - size + 1) if len(c) > 16 else 0
    struct.pack_into(rng.choice("<>") + code, c, min(at, len(c) - size), value)
    return bytes(c)


def insert(c: bytearray, rng: random.Random) -> bytes:
    at = rng.randrange(len(c) + 1)
    c[at:at] = rng.randbytes(rng.choice((1, 2, 5, 100)))
    return bytes(c)


def delete(c: bytearray, rng: random.Random) -> bytes:
    at = rng.randrange(len(c) + 1)
    del c[at : at + rng.choice((1, 2, 5, 100))]
    return bytes(c)


def overwrite(c: bytearray, rng: random.Random) -> bytes:
    at, n = rng.randrange(len(c) + 1), rng.choice((4, 16, 200))
    c[at : at + n] = rng.choice((bytes(n), b"\xff" * n, rng.randbytes(n)))
    return bytes(c)


def repeat(c: bytearray, rng: random.Random) -> bytes:
    at, n = rng.randrange(len(c) + 1), rng.choice((1, 5, 100, len(c)))
    return bytes(c[: at + n]) + bytes(c[at:])


def foreign(c: bytearray, rng: random.Random) -> bytes:
    """Another file altogether."""
    texts = b"", b"\0", bytes(999), b"\xff" * 4096, b"this is a text, no recording\n" * 9
    starts = b"", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x89HDF\r\n\x1a\n"
    return rng.choice((*texts, *(start + rng.randbytes(rng.randrange(2000)) for start in starts)))


def wrong_number(c: bytearray, rng: random.Random) -> bytes:
    """A number in a text becomes another one, or no number."""
    places = [i for i, byte in enumerate(c) if chr(byte).isdigit()]
    if not places:
        return flip_bits(c, rng)
    at = rng.choice(places)
    c[at : at + 1] = rng.choice((b"-1", b"99999999999999999999", b"1e400", b"nan", b"x", b"", b"0x10", b"1.5"))
    return bytes(c)


MUTATIONS = (truncate, flip_bits, flip_bits, extreme_integer, extreme_integer, insert, delete, overwrite, repeat,
             foreign, wrong_number)  # fmt: skip


def damage_file(file: Path, rng: random.Random) -> None:
    """The content of one file, or what its name stands for."""
    if rng.random() < 0.06:
        file.unlink()
        match rng.randrange(4):
            case 0:
                file.mkdir()
            case 1:
                file.symlink_to(file.name)
            case 2:
                file.symlink_to("nowhere")
            case 3:
                os.mkdir(os.fsencode(file.parent) + b"/\xff")
        return
    content = file.read_bytes()
    if content[:2] == b"\x1f\x8b" and rng.random() < 0.7:
        damaged = gzip.compress(mutated(gzip.decompress(content), rng), mtime=0)
    elif content[:4] == b"PK\x03\x04" and rng.random() < 0.7:  # an archive with members
        damaged = refitted_zip(file, rng)
    elif content[:8] == b"\x89PNG\r\n\x1a\n" and rng.random() < 0.7:
        damaged = refitted_png(mutated(content, rng))
    else:
        damaged = mutated(content, rng)
    file.write_bytes(damaged)


def refitted_zip(file: Path, rng: random.Random) -> bytes:
    """With one of its members damaged, and the checksums right."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = rng.choice(sorted(members))
    members[chosen] = mutated(members[chosen], rng)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def refitted_png(content: bytes) -> bytes:
    """With the checksums of its chunks made to fit, as far as it still has chunks."""
    out, at = bytearray(content[:8]), 8
    while at + 12 <= len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        body = content[at + 4 : at + 8 + size]
        out += content[at : at + 4] + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + size
    return bytes(out)


# --- trials


def trial(name: str, number: int) -> tuple[str, str]:
    """("refused", the line), ("accepted", "") or ("finding", what happened) of one damaged data set."""
    reader, layout = LAYOUTS[name]
    rng = random.Random(f"{name}/{number}")
    with tempfile.TemporaryDirectory(prefix="snn-mutation-") as scratch:
        raw, out = Path(scratch) / "raw", Path(scratch) / "out"
        params, split = layout(raw)
        files = sorted(p for p in raw.rglob("*") if p.is_file())
        damage_file(rng.choice(files), rng)
        start = time.monotonic()
        try:
            convert(reader, params, split, out, progress=False)
            store = open_store(out)
            if isinstance(store, EventStore):
                store.frames(np.arange(len(store)), 3)
            elif isinstance(store, ImageStore):
                store.images(np.arange(len(store)))
            outcome = "accepted", ""
        except UserError as error:
            line = str(error)
            proper = "\n" not in line and len(line) < 600 and any(word in line for word in REMEDIES)
            outcome = ("refused" if proper else "finding"), line
        except (MemoryError, Exception) as error:
            outcome = "finding", f"{type(error).__name__}: {str(error)[:300]}"
        if time.monotonic() - start > SECONDS:
            outcome = "finding", f"took {time.monotonic() - start:.0f} s"
    return outcome


def campaign(name: str, numbers: range) -> dict[str, list[tuple[int, str]]]:
    """{outcome: [(number, line)]}. Trials run in a child process, so that a crash of the interpreter is a finding."""
    outcomes: dict[str, list[tuple[int, str]]] = {"accepted": [], "refused": [], "finding": []}
    next_number = numbers.start
    while next_number < numbers.stop:
        read, write = os.pipe()
        if (pid := os.fork()) == 0:
            _child(name, range(next_number, numbers.stop), write)
        os.close(write)
        with open(read, encoding="utf-8") as lines:
            for line in lines:
                outcome, text = json.loads(line)
                outcomes[outcome].append((next_number, text))
                next_number += 1
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            outcomes["finding"].append((next_number, f"killed by signal {os.WTERMSIG(status)}"))
            next_number += 1
        elif next_number < numbers.stop:
            outcomes["finding"].append((next_number, f"ended with status {status}"))
            next_number += 1
    return outcomes


def _child(name: str, numbers: range, pipe: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with open(pipe, "w", encoding="utf-8", buffering=1) as results:
        for number in numbers:
            signal.alarm(3 * SECONDS)
            print(json.dumps(trial(name, number)), file=results)
    os._exit(0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=300, help="of each reader")
    parser.add_argument("--first", type=int, default=0, help="number of the first trial")
    parser.add_argument("--reader", choices=sorted(LAYOUTS), action="append", help="only these")
    parser.add_argument("--lines", action="store_true", help="show the kinds of refusals too")
    options = parser.parse_args()
    findings = 0
    for name in options.reader or LAYOUTS:
        outcomes = campaign(name, range(options.first, options.first + options.trials))
        findings += len(outcomes["finding"])
        print(f"{name:28}", *(f"{key} {len(rows)}" for key, rows in outcomes.items()), flush=True)
        for number, text in outcomes["finding"]:
            print(f"    {name} {number}: {text}")
        if options.lines:
            kinds = Counter(text.partition(": ")[2][:60] for _, text in outcomes["refused"])
            print(*(f"    {n:5} {kind}" for kind, n in kinds.most_common(25)), sep="\n")
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
