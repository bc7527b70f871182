"""Docstrings are plain text with `code` in backticks; autodoc wants reStructuredText: this writes one as the other.

An indented part is shown as it stands (equations, examples), words in backticks as code, and signs that mean something
in reStructuredText as themselves. Lines that begin with `- ` are a list, and a line that begins with the name of a
parameter (`mode: …`), or with `Raises`, begins a paragraph.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

PARAMETER = re.compile(r"[a-z_]\w*(, [a-z_]\w*)*: |Raises ")
CODE = re.compile(r"(`+)(.+?)\1")


def restructured(lines: list[str]) -> list[str]:
    """The lines of a docstring as reStructuredText."""
    out: list[str] = []
    literal = listed = False
    for line in lines:
        if not line.strip():
            out.append("")
            continue
        indented = line.startswith((" ", ">>>"))
        if line.startswith("- "):
            if not listed and out and out[-1]:
                out.append("")
            listed = True
        elif listed and not indented:
            listed = False
        if PARAMETER.match(line) and out and out[-1]:
            out.append("")
        if indented and not listed:
            if not literal:
                out += ["", "::", ""]
            literal = True
            out.append("    " + line)
        else:
            if literal:
                out.append("")
            literal = False
            out.append(escaped(line))
    return out


def escaped(line: str) -> str:
    """One line of text: code stays code, all other signs are themselves."""
    text, end = "", 0
    for match in CODE.finditer(line):
        text += signs(line[end : match.start()]) + f"``{match[2]}``"
        if match.end() < len(line) and re.match(r"\w", line[match.end()]):
            text += r"\ "
        end = match.end()
    return text + signs(line[end:])


def signs(text: str) -> str:
    return re.sub(r"([*|`\\]|(?<=\w)_(?!\w))", r"\\\1", text)


def on_docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = restructured(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", on_docstring)
    return {"parallel_read_safe": True}
