"""Every command in the texts is run by a test, or says above it why not; and none of them names what is not there.

A block of commands (```sh, ```bash, ```console) has one of these comments above it:

    <!-- run -->                          the test below runs it, in a copy of the project
    <!-- run by tests/test_file.py -->    that test does, and names the page
    <!-- test: label -->                  a test runs the block of this label (docs/mlflow_server.md)
    <!-- not run: reason -->

`<!-- all run by tests/test_file.py -->` at the head of a page stands for all of its blocks. Run or not, commands of
this project, of make, Snakemake and Python are looked up: subcommands, targets, options, modules and files.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
from snakemake.cli import get_argument_parser
from test_workflow import copy_of_the_project

from snn.cli import parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
LANGUAGES = ("sh", "bash", "console")
COMMAND = r"(?:snn|make|snakemake|python3?|pip|docker|apptainer|conda)(?= )"
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
VARIABLES = set(re.findall(r"^#   ([A-Z]+)=", MAKEFILE, re.MULTILINE))
PLUGINS = ("--storage-s3-",)
"""Options of plug-ins that are not in every environment."""


class Block(NamedTuple):
    """page: relative to the project; line: of the fence; marker: the comment above, or of the page; text: inside."""

    page: str
    line: int
    language: str
    marker: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"


def blocks() -> list[Block]:
    """All fenced blocks of all pages."""
    fence = re.compile(r"(?:^ *<!-- ([^\n]*?) -->\n)?^( *)```(\w*)[^\n]*\n(.*?)^\2``` *$", re.MULTILINE | re.DOTALL)
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        whole = re.search(r"^<!-- all (run by [^\n]*?) -->$", text, re.MULTILINE)
        for match in fence.finditer(text):
            marker = match[1] or (whole[1] if whole else "")
            line = text.count("\n", 0, match.start(3)) + 1
            found.append(Block(page.relative_to(ROOT).as_posix(), line, match[3], marker, match[4]))
    return found


BLOCKS = blocks()
COMMANDS = [block for block in BLOCKS if block.language in LANGUAGES]
OUTSIDE = [
    (page, re.sub(r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)) for page in PAGES
]


def lines(block: Block) -> list[str]:
    """The commands of a block, one shell line each: prompts, output, continuations and comments are gone."""
    text = block.text.replace("\\\n", " ")
    if block.language == "console":
        text = "\n".join(line[2:] for line in text.splitlines() if line.startswith("$ "))
    return [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]


def calls(line: str) -> list[list[str]]:
    """The words of each command of a shell line, without the variables that are set before it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    out: list[list[str]] = [[]]
    for word in lexer:
        if re.fullmatch(r"[;&|()]+", word):
            out.append([])
        elif word == ">" or out[-1] or not re.match(r"\w+=|export$|exec$", word):
            out[-1].append(word)
    return [words[: words.index(">")] if ">" in words else words for words in out if words]


def test_every_block_of_commands_says_who_runs_it():
    form = re.compile(r"run|not run: .{5,}|test: .+|run by (?P<test>tests/\S+\.py)")
    for block in COMMANDS:
        marker = form.fullmatch(block.marker)
        assert marker, f"{block.name}: put `<!-- run -->` or `<!-- not run: reason -->` above it, not {block.marker!r}"
        if marker["test"]:
            assert block.page in (ROOT / marker["test"]).read_text(), f"{block.name}: {marker['test']} does not name it"
        if block.marker.startswith("test: "):
            label = block.marker.removeprefix("test: ")
            tests = [path for path in (ROOT / "tests").rglob("test_*.py") if block.page in path.read_text()]
            assert any(f'"{label}"' in path.read_text() for path in tests), f"{block.name}: no test takes {label!r}"


def test_no_command_hides_in_another_block():
    for block in BLOCKS:
        if block.language not in LANGUAGES:
            hidden = re.search(rf"^\s*(?:\$ )?{COMMAND}.*", block.text, re.MULTILINE)
            assert not hidden or block.language in ("python", "yaml"), f"{block.name}: call it ```sh: {hidden}"
    for page, text in OUTSIDE:
        hidden = re.search(rf"^    +{COMMAND}.*", text, re.MULTILINE)
        assert not hidden, f"{page.relative_to(ROOT)}: put it into a block ```sh: {hidden[0]}"


@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: block.name)
def test_commands_name_what_is_there(block):
    made_by_the_page = block.marker.startswith("run by")
    for line in lines(block):
        for words in calls(line):
            try:
                check(words, files=not made_by_the_page)
            except ValueError as error:
                pytest.fail(f"{block.name}: {error}: {line}")


def test_commands_in_the_text_name_what_is_there():
    for page, text in OUTSIDE:
        for match in re.finditer(rf"(?<!`)`({COMMAND}[^`\n]*)`(?!`)", text):
            words = shlex.split(match[1].split(" #")[0].replace("…", "").split("[")[0])
            if words[0] == "make":
                check(words)
            elif words[0] == "snn" and words[1:2] and words[1] != "--help":
                assert words[1] in subcommands(), f"{page.relative_to(ROOT)}: {match[0]}"


def test_a_mistake_is_seen():
    for wrong in (
        "snn trian x", "snn plan --overlay x", "make reprodce", "make plan BENCH=x", "snakemake --corse 2",
        "python -m benchmark", "python tools/locks.py", "snn plan --configfile config/smok.yaml",
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"."):
            check(wrong.split())


def check(words: list[str], files: bool = True) -> None:
    """ValueError where a call names a subcommand, option, target, module or file of this project that is not there."""
    program, arguments = Path(words[0]).name, words[1:]
    if program == "snn":
        parse(parser().parse_args, arguments)
    elif program == "snakemake":
        parse(
            snakemake_parser().parse_args,
            [a for a in without_values(arguments) if not a.startswith(PLUGINS)],
        )
    elif program == "make":
        for word in arguments:
            name, sign, _ = word.partition("=")
            if name not in (VARIABLES if sign else TARGETS) and not word.startswith("-"):
                raise ValueError(f"make has no {name}")
    elif program == "python" and arguments[0] == "-m":
        if not ((ROOT / arguments[1] / "__main__.py").exists() or getattr(find_spec(arguments[1]), "origin", None)):
            raise ValueError(f"no module {arguments[1]}")
    elif (program == "python" and not arguments[0].startswith("-")) or words[0].startswith("tools/"):
        script = arguments[0] if program == "python" else words[0]
        if files and not (ROOT / script).exists():
            raise ValueError(f"no file {script}")
    for word in arguments if files else ():
        if re.match(r"(config|tools|tests|workflow|container|docs)/[\w/.-]+$", word) and not (ROOT / word).exists():
            raise ValueError(f"no file {word}")


def without_values(arguments: list[str]) -> list[str]:
    """Without options of plug-ins and what follows them."""
    return [a for i, a in enumerate(arguments) if not (i and arguments[i - 1].startswith(PLUGINS))]


def parse(parse_args, arguments: list[str]) -> None:
    try:
        parse_args(arguments)
    except SystemExit as error:
        if error.code not in (0, None):
            raise ValueError("an argument is not known") from None


@functools.cache
def snakemake_parser():
    return get_argument_parser()


@functools.cache
def subcommands() -> set[str]:
    (action,) = (a for a in parser()._actions if a.choices)
    return set(action.choices)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return copy_of_the_project(tmp_path_factory.mktemp("docs") / "project")


@pytest.mark.slow
@pytest.mark.parametrize("block", [b for b in COMMANDS if b.marker == "run"], ids=lambda block: block.name)
def test_commands_that_are_cheap_run(block, project):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "SNAKEMAKE_"))}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment |= {"PYTHONPATH": str(project), "XDG_CACHE_HOME": str(project / ".cache")}
    script = "\n".join(line for line in lines(block) if line != ". .venv/bin/activate")  # this one it is already
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=project, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
