"""Tables as files: CSV with full precision, Markdown and LaTeX as read in the report."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from snn.report.tables.builder import Table
from snn.runtime.files import write_text


def write(table: Table, path: Path, caption: str) -> None:
    """`path` without its ending: .csv with full precision, .md and .tex as read in the report."""
    write_text(path.with_suffix(".csv"), table.data.to_csv(index=False, lineterminator="\n"))
    write_text(path.with_suffix(".md"), markdown(table.view) + f"\n{caption}\n")
    write_text(path.with_suffix(".tex"), latex(table.view, caption, table.name))


def markdown(view: pd.DataFrame) -> str:
    if view.empty:
        return "Nothing to show.\n"
    rows = [list(view.columns), ["---"] * len(view.columns), *view.to_numpy().tolist()]
    return "".join("| " + " | ".join(str(c).replace("|", "\\|") for c in row) + " |\n" for row in rows)


_TEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
    | {"−": "$-$", "×": r"$\times$", "µ": r"\textmu{}", "–": "--", "“": "``", "”": "''", "<": "$<$", ">": "$>$"}
)


def latex(view: pd.DataFrame, caption: str, label: str) -> str:
    r"""A `table` with booktabs' rules; needs \usepackage{booktabs} and nothing else."""
    if view.empty:
        return "% Nothing to show.\n"
    rows = [" & ".join(str(c).translate(_TEX) for c in row) + r" \\" for row in [view.columns, *view.to_numpy()]]
    body = "\n".join([r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule"])
    return (
        f"\\begin{{table}}\n\\centering\n\\caption{{{caption.translate(_TEX)}}}\n\\label{{tab:{label}}}\n"
        f"\\begin{{tabular}}{{{'l' * len(view.columns)}}}\n{body}\n\\end{{tabular}}\n\\end{{table}}\n"
    )
