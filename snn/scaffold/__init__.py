"""`snn new-baseline NAME`: the four files of a new training method, which runs as it is written.

    method.py    snn/methods/<module>.py                the method: standard training plus a term, to be replaced
    config.yaml  config/baselines/<name>.yaml           the overlay that puts it beside `sdt`
    rule.smk     workflow/rules/baselines/<name>.smk    a target: this baseline alone
    test.py      tests/methods/test_<module>.py         a check of its loss, beside the contract tests, which find it

In `templates/`, `$name` is the name as users write it, `$module` the same with underscores, `$type` its class.
"""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from string import Template

from snn.errors import UserError
from snn.runtime import files

TEMPLATES = Path(__file__).parent / "templates"
TARGETS = {
    "method.py": "snn/methods/{module}.py",
    "config.yaml": "config/baselines/{name}.yaml",
    "rule.smk": "workflow/rules/baselines/{name}.smk",
    "test.py": "tests/methods/test_{module}.py",
}


def new_baseline(name: str, root: Path = Path()) -> list[Path]:
    """Write the files of the method `name` into the project at `root`; returns their paths.

    Raises UserError, before anything is written, for a name that cannot be one or that is taken.
    """
    check_name(name)
    module = name.replace("-", "_")
    words = {"name": name, "module": module, "type": "".join(part.capitalize() for part in name.split("-"))}
    paths = {template: root / target.format(**words) for template, target in TARGETS.items()}
    for path in paths.values():
        if path.exists():
            raise UserError(f"{path} exists: the name {name!r} is taken; choose another, or remove that file first")
    if module in rules(root):
        raise UserError(f"the workflow has a rule {module!r} already; choose another name than {name!r}")
    for template, path in paths.items():
        text = (TEMPLATES / f"{template}.template").read_text(encoding="utf-8")
        files.write_text(path, Template(text).substitute(words))
    return list(paths.values())


def check_name(name: str) -> None:
    """UserError unless `name` can be a module, a folder, a rule and a word of the configuration."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise UserError(
            f"{name!r} cannot name a baseline: it becomes a module and a folder; use lower-case words, digits and "
            "single hyphens, starting with a letter, e.g. 'my-method', and no word of Python's own"
        )


def rules(root: Path) -> set[str]:
    """The names of all rules of the workflow."""
    texts = (path.read_text(encoding="utf-8") for path in (root / "workflow").rglob("*") if is_rules(path))
    return {found for text in texts for found in re.findall(r"^(?:rule|checkpoint) (\w+):", text, re.MULTILINE)}


def is_rules(path: Path) -> bool:
    return path.suffix == ".smk" or path.name == "Snakefile"
