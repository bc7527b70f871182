"""Fill a page's tables and verdicts from rendered reports: `python tools/readme_tables.py README.md docs/findings.md`.

Between `<!-- results NAME NETWORK/METHOD ... -->` and the next blank line stands what `reports/NAME/tables/` says of
the clock-driven and event-driven accuracy of these (of all, where none is named; NETWORK/METHOD/T10 for one T). Between
`<!-- claims NAME -->` and the next blank line stands what it says of the papers' claims; after `<!-- verdict NAME CLAIM
... -->` the verdicts on these claims, a line each.
"""

from __future__ import annotations

import csv
import math
import re
import sys
from collections import Counter
from pathlib import Path

COLUMNS = (
    "clock-driven (%)",
    "event-driven (%)",
    "accuracy change (points)",
)

CLAIM_COLUMNS = "Claim", "Network", "Verdict", "Difference", "Margin", "n", "Seeds to decide"


def results(report: Path, chosen: list[str]) -> str:
    rows = [row for name in ("accuracy", "event_driven") for row in read(report, name)]
    lines = []
    settings = list(dict.fromkeys((r["network"], r["method"], r["t_train"]) for r in rows))
    common = Counter(t for *_, t in settings).most_common(1)[0][0]  # the T that is not named
    for network, method, t in settings:
        if chosen and not {f"{network}/{method}", f"{network}/{method}/T{t}"} & set(chosen):
            continue
        usual = t == common or (network, method, common) not in settings
        own = [r for r in rows if (r["network"], r["method"], r["t_train"]) == (network, method, t)]

        def of(quantity: str, own: list = own, **where: str) -> str:
            fits = (r for r in own if r["quantity"] == quantity and all(r[k] == v for k, v in where.items()))
            return interval(next(fits, None), signed=quantity == "accuracy_change")

        lines.append(
            (
                network if usual else f"{network}, T = {t}",
                f"`{method}`",
                of("accuracy", phase="train"),
                of("accuracy", mode="event-float"),
                of("accuracy_change", mode="event-float"),
            )
        )
    columns = [column for column in zip(("network", "method", *COLUMNS), *lines, strict=True) if any(column[1:])]
    head, *body = zip(*columns, strict=True)  # images are not deployed event-driven: no columns for that
    return "\n".join(table_row(*cells) for cells in (head, ["---"] * len(head), *body))


def claims(report: Path, chosen: list[str]) -> str:
    """The rendered table, without the columns that only a careful reader needs."""
    lines = [line for line in (report / "tables/claims.md").read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    shown = [i for i, name in enumerate(cells[0]) if name in CLAIM_COLUMNS or name.startswith("Reference run")]
    return "\n".join(table_row(*(row[i] for i in shown)) for row in cells)


def verdicts(report: Path, chosen: list[str]) -> str:
    """`- **Supported**: MTT is flatter over T than SDT; 3c1fc, n = 5: +6.9 [+3.3, +10.6] points (margin 2, p after Holm
    0.095).`"""
    rows = [row for name in chosen for row in read(report, "claims") if row["name"] == name]
    return "\n".join(f"- **{row['verdict'].capitalize()}**: {row['claim']}{_evidence(row)}" for row in rows)


def _evidence(row: dict[str, str]) -> str:
    if not row["estimate"]:
        return f" ({row['detail']})."
    is_points, is_ratio = "points" in row["quantity"], "log" in row["quantity"]
    values = [float(row[key] or "nan") for key in ("estimate", "low", "high")]

    def number(value: float, points: str = "+.1f") -> str:
        text = f"{100 * value:{points}}" if is_points else f"{math.exp(value) if is_ratio else value:.2g}"
        return (text if float(text) else "0.0").replace("-", "−")

    mean, low, high = map(number, values)
    bounds = "" if math.isnan(values[1]) or low == high else f" [{low}, {high}]"
    margin = number(float(row["margin"]), "g")
    unit = " points" if is_points else ""
    undecided = ""
    if row["seeds_to_decide"]:
        needed = int(float(row["seeds_to_decide"]))
        enough = "it may lie near the margin, or between it and zero"
        undecided = f", {needed} seeds would decide it" if needed > int(row["n"]) else f"; {enough}"
    holm = f", p after Holm {float(row['p_holm']):.2g}" if row["p_holm"] else ""
    times = "× " if is_ratio else ""
    return f"; {row['network']}, n = {row['n']}: {times}{mean}{bounds}{unit} (margin {times}{margin}{undecided}{holm})."


def read(report: Path, name: str) -> list[dict[str, str]]:
    with (report / "tables" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def interval(row: dict[str, str] | None, signed: bool) -> str:
    if row is None:
        return ""

    def number(value: str) -> str:
        points = round(100 * float(value), 1)
        return f"{points:{'+' if signed else ''}.1f}".replace("-", "−") if points else "0.0"

    bounds = "" if row["note"] or not row["low"] else f" [{number(row['low'])}, {number(row['high'])}]"
    return number(row["mean"]) + bounds


def table_row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def filled(text: str, reports: Path) -> str:
    def table(match: re.Match) -> str:
        if not (reports / match["name"]).is_dir():
            return match[0]  # as it stands: that report is not here
        make = {"results": results, "claims": claims, "verdict": verdicts}[match["kind"]]
        return f"{match['mark']}\n{make(reports / match['name'], match['chosen'].split())}\n\n"

    pattern = r"(?P<mark><!-- (?P<kind>results|claims|verdict) (?P<name>\S+)(?P<chosen>[^>]*?) -->)\n(?:.+\n)*\n"
    return re.sub(pattern, table, text)


if __name__ == "__main__":
    reports = Path(__file__).resolve().parents[1] / "reports"
    for page in map(Path, sys.argv[1:]):
        page.write_text(filled(page.read_text(encoding="utf-8"), reports), encoding="utf-8")
