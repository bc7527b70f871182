"""Tables, figures and captions into `tables/`, `figures/` and one `index.html` that needs nothing beside it."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import jinja2
import pandas as pd
import yaml
from markupsafe import Markup, escape

from snn.report import FIGURES, TABLES, answer, claims, figures, published, robustness, style, tables, text
from snn.report.results import Results, What
from snn.runtime.files import write_text
from snn.statistics import MIN_SEEDS, TOO_FEW, Interval

LEVEL = "95 %"


def render(folder: Path, config: dict, templates: Path) -> None:
    """See `snn.report.render`. Of `config` only `question`, `matrix.t_train` and `variants` are used."""
    variants = {name: variant["of"] for name, variant in config.get("variants", {}).items()}
    results = Results(folder, config.get("matrix", {}).get("t_train", ()), variants)
    captions = Captions(results, templates / "captions.yaml")
    shown_tables, shown_figures = {}, {}
    for name in TABLES:
        if name == "published":
            table = published.beside(results, templates / "published.yaml")
        elif name == "claims":
            table = claims.claims(results, templates / "claims_elsewhere.csv")
        else:
            table = getattr(robustness if name in ("robustness", "recovered") else tables, name)(results)
        caption = captions.of("tables", name)
        write_table(table, folder / "tables" / name, caption)
        shown_tables[name] = {"caption": caption, "rows": table.view, "csv": table.data.to_csv(index=False)}
    for name in FIGURES:
        figure = figures.draw(name, results)
        missing = "Nothing to show in this benchmark" if figure is None else figure if isinstance(figure, str) else ""
        figures.save(figures.empty(missing) if missing else figure, folder / "figures" / name)
        shown_figures[name] = figure and {
            "caption": captions.of("figures", name),
            "missing": missing,
            "svg": inline_svg((folder / "figures" / f"{name}.svg").read_text(encoding="utf-8"), name),
        }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": cell, "duration": text.duration, "data_url": data_url}
    page = environment.get_template("index.html.j2").render(
        question=config.get("question") or answer.QUESTION,
        answers=[sentence.partition(": ")[::2] for sentence in answer.answer(results)],
        caveats=answer.caveats(results),
        interval=captions.phrase("crossed"),
        tables=shown_tables,
        figures=shown_figures,
        others=published.others(results, templates / "published.yaml"),
        papers=published.papers(templates / "published.yaml"),
        provenance=results.provenance,
        panels=results.panels,
        csv_of_all=(folder / "metrics.csv").read_text(encoding="utf-8"),
    )
    write_text(folder / "index.html", page)


class Captions:
    """`captions.yaml` with its blanks filled in from the results."""

    def __init__(self, results: Results, path: Path):
        self._known = yaml.safe_load(path.read_text(encoding="utf-8"))
        trained = [(s, results.interval(s, What("train", "clock", s.t_train))) for s in results.settings]
        chance = {text.percent(i).split(" ")[0] for s, i in trained if s.method == "chance" and i}
        self._words = {"level": LEVEL, "n": _n([i for _, i in trained if i]), "chance": " and ".join(sorted(chance))}
        probed = results.curves.loc[results.curves["phase"] == "probe", "seed"].nunique()
        self._words["probed"] = f"{probed} seed" + "s" * (probed != 1)
        for name, phrase in self._known["phrases"].items():  # a phrase may hold those above it
            self._words[name] = self._fill(phrase)

    def phrase(self, name: str) -> str:
        return self._words[name]

    def of(self, kind: str, name: str) -> dict[str, str]:
        """title, text (with method of the interval and n) and alt of a table or figure."""
        caption = self._known[kind][name]
        return {"alt": "", **caption, "text": self._fill(caption["text"])}

    def _fill(self, template: str) -> str:
        return jinja2.Template(template, undefined=jinja2.StrictUndefined).render(self._words).strip()


def _n(intervals: list[Interval]) -> str:
    """`3 seeds × 1,000 test recordings`; `1 or 3 seeds × ... (1: too few seeds for an interval)`."""
    seeds = sorted({i.n_seeds for i in intervals})
    few = [str(n) for n in seeds if n < MIN_SEEDS]
    words = " or ".join(map(str, seeds or [0])) + (" seed" if seeds == [1] else " seeds")
    words += f" × {max((i.n_samples for i in intervals), default=0):,} test recordings"
    return words + (f" ({' and '.join(few)}: {TOO_FEW} for an interval)" if few else "")


# --- tables as files


def write_table(table: tables.Table, path: Path, caption: dict[str, str]) -> None:
    """`path` without its ending: .csv with full precision, .md and .tex as read in the report."""
    write_text(path.with_suffix(".csv"), table.data.to_csv(index=False, lineterminator="\n"))
    write_text(path.with_suffix(".md"), markdown(table.view) + f"\n{caption['text']}\n")
    write_text(path.with_suffix(".tex"), latex(table.view, caption["text"], table.name))


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


# --- parts of the page


def cell(value: object) -> Markup:
    """A table's cell, with the interval set smaller, so that the eye runs over the means."""
    value = str(value)
    mean, bracket, rest = value.partition(" [")
    if bracket and rest.endswith("]") and "," in rest:
        return Markup('{} <span class="ci">[{}</span>').format(mean, rest)
    return escape(value)


def data_url(content: str) -> str:
    return "data:text/csv;base64," + base64.b64encode(content.encode()).decode()


def inline_svg(svg: str, name: str) -> Markup:
    """matplotlib's SVG for use inside the page: ids of its own, and the page's colours for ink, grid and paper."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    for pattern in (r'(id=")', r'(xlink:href="#)', r"(url\(#)"):
        svg = re.sub(pattern, rf"\g<1>{name}-", svg)
    for colour, variable in ((style.INK, "ink"), (style.FAINT, "faint"), (style.GRID, "grid"), (style.PAPER, "paper")):
        svg = svg.replace(colour, f"var(--{variable})")
    return Markup(svg)
