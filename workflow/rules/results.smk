# From the files of all cells to the tables, the pages and MLflow.

from snn.report import FIGURE_FORMATS, FIGURES, TABLE_FORMATS, TABLES

COLLECTED = [
    "metrics.csv",
    "curves.csv",
    "holes.csv",
    "history.csv",
    "predictions.npz",
    "provenance.json",
]
TEMPLATES = sorted(str(p) for p in Path("reports/templates").rglob("*") if p.is_file())


rule collect:
    input:
        cell_files(),
        manifests=[
            store_files(ROOT / "data" / name)[0]
            for name in sorted({cell.dataset for cell in PLAN.trained})
        ],
    output:
        [REPORT / name for name in COLLECTED],
    log:
        str(ROOT / "logs" / "collect.log"),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        gpu=0,
    params:
        config=RESOLVED,
        cells=[cell.key for cell in PLAN.trained],
        protocol=C.protocol,
        code=sources.digest("snn.phases.collect"),
    message:
        "collect all cells"
    shell:
        "python -m snn collect --configfile {params.config} > {log} 2>&1"


rule render:
    input:
        [REPORT / name for name in COLLECTED],
        templates=TEMPLATES,
    output:
        page=report(
            REPORT / "index.html",
            caption="../report/index.rst",
            category="Report",
            labels={"what": "the whole report", "format": "html"},
        ),
        tables=[
            report(
                REPORT / "tables" / f"{name}.csv",
                caption=f"../report/{name}.rst",
                category="Tables",
                labels={"what": name.replace("_", " "), "format": "csv"},
            )
            for name in TABLES
        ],
        other_tables=[
            REPORT / "tables" / f"{name}.{format}"
            for name in TABLES
            for format in TABLE_FORMATS
            if format != "csv"
        ],
        figures=[
            report(
                REPORT / "figures" / f"{name}.svg",
                caption=f"../report/{name}.rst",
                category="Figures",
                labels={"what": name.replace("_", " "), "format": "svg"},
            )
            for name in FIGURES
        ],
        other_figures=[
            REPORT / "figures" / f"{name}.{format}"
            for name in FIGURES
            for format in FIGURE_FORMATS
            if format != "svg"
        ],
    log:
        str(ROOT / "logs" / "report.log"),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        gpu=0,
    params:
        config=RESOLVED,
        # All that the page takes from the configuration; everything else comes from the files.
        question=C.question,
        t_train=C.matrix.t_train,
        variants={name: variant.of for name, variant in C.variants.items()},
        code=sources.digest("snn.report", "snn.report.page"),
    message:
        "render the report"
    shell:
        "python -m snn report --configfile {params.config} > {log} 2>&1"


rule mlflow:
    # Files are the truth, MLflow is a view: delete the store, and this rule alone builds it anew. A server that is
    # down fails this rule and nothing else.
    input:
        cell_files(),
    output:
        ROOT / "mlflow" / "synced.txt",
    log:
        str(ROOT / "logs" / "mlflow.log"),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        gpu=0,
    params:
        config=RESOLVED,
        code=sources.digest("snn.tracking.track"),
        server=digest(os.environ.get("MLFLOW_TRACKING_URI", "")),
    message:
        "mlflow: bring the view up to date"
    shell:
        "python -m snn mlflow-sync --configfile {params.config} > {log} 2>&1 && cp {log} {output}"
