"""`snn new-baseline NAME`: the four files of a new training method, which can be run as they are.

    method.py    snn/methods/<module>.py                the method: standard training and one more term, to be replaced
    config.yaml  config/baselines/<name>.yaml           the overlay that adds it to a benchmark
    rule.smk     workflow/rules/baselines/<name>.smk    a target that makes the cells of this method alone
    test.py      tests/methods/test_<module>.py         a test of its loss; the tests of the contract find it themselves

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

    UserError, before anything is written, if the name is not a valid one or is taken.
    """
    check_name(name)
    module = name.replace("-", "_")
    words = {"name": name, "module": module, "type": "".join(part.capitalize() for part in name.split("-"))}
    paths = {template: root / target.format(**words) for template, target in TARGETS.items()}
    for path in paths.values():
        if path.exists():
            raise UserError(f"{path} exists: the name {name!r} is taken; choose another one, or remove that file")
    if module in rules(root):
        raise UserError(f"the workflow has a rule {module!r} already; choose another name than {name!r}")
    for template, path in paths.items():
        text = (TEMPLATES / f"{template}.template").read_text(encoding="utf-8")
        files.write_text(path, Template(text).substitute(words))
    return list(paths.values())


def check_name(name: str) -> None:
    """Raise UserError unless `name` can name a module, a folder, a rule and a method in the configuration."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise UserError(
            f"{name!r} cannot name a baseline, since it becomes the name of a module and a folder: use lower-case "
            "words and digits joined by single hyphens, starting with a letter, e.g. 'my-method', and no keyword of "
            "Python"
        )


def rules(root: Path) -> set[str]:
    """The names of all rules of the workflow."""
    texts = (path.read_text(encoding="utf-8") for path in (root / "workflow").rglob("*") if is_rules(path))
    return {name for text in texts for name in re.findall(r"^(?:rule|checkpoint) (\w+):", text, re.MULTILINE)}


def is_rules(path: Path) -> bool:
    """Whether a file holds rules of the workflow."""
    return path.suffix == ".smk" or path.name == "Snakefile"
