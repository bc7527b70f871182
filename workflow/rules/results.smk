# From the files of all cells to the tables, the pages and MLflow.

from snn.report import FIGURE_FORMATS, FIGURES, TABLE_FORMATS, TABLES, TEMPLATES
from snn.runtime import files


rule collect:
    input:
        configuration=CONFIGURATION,
        cells=cell_files(),
        manifests=[
            file
            for name in PLAN.datasets
            for file in LAYOUT.store_files(name, every=OBJECT_STORE)
        ],
    output:
        LAYOUT.collected(),
    log:
        LAYOUT.log("collect"),
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        cells=[cell.key for cell in PLAN.all_cells],
        protocol=C.protocol,
        code=sources.digest("snn.phases.collect"),
    message:
        "collect all cells"
    shell:
        '$SNN collect --configfile "${{CONFIG:-{input.configuration}}}" > {log:q} 2>&1'


rule render:
    input:
        configuration=CONFIGURATION,
        collected=LAYOUT.collected(),
    output:
        page=report(
            LAYOUT.report / "index.html",
            caption="../report/index.rst",
            category="Report",
            labels={"what": "the whole report", "format": "html"},
        ),
        tables=[
            report(
                LAYOUT.report / "tables" / f"{name}.csv",
                caption=f"../report/{name}.rst",
                category="Tables",
                labels={"what": name.replace("_", " "), "format": "csv"},
            )
            for name in TABLES
        ],
        other_tables=[
            LAYOUT.report / "tables" / f"{name}.{format}"
            for name in TABLES
            for format in TABLE_FORMATS
            if format != "csv"
        ],
        figures=[
            report(
                LAYOUT.report / "figures" / f"{name}.svg",
                caption=f"../report/{name}.rst",
                category="Figures",
                labels={"what": name.replace("_", " "), "format": "svg"},
            )
            for name in FIGURES
        ],
        other_figures=[
            LAYOUT.report / "figures" / f"{name}.{format}"
            for name in FIGURES
            for format in FIGURE_FORMATS
            if format != "svg"
        ],
    log:
        LAYOUT.log("report"),
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        # All that the page takes from the configuration; everything else comes from the files.
        question=C.question,
        t_train=C.matrix.t_train,
        variants={name: variant.base for name, variant in C.variants.items()},
        code=sources.digest("snn.report", "snn.report.page"),
        templates=dependencies.digest(
            [files.sha256(path) for path in sorted(TEMPLATES.iterdir())]
        ),
    message:
        "render the report"
    shell:
        '$SNN report --configfile "${{CONFIG:-{input.configuration}}}" > {log:q} 2>&1'


rule mlflow:
    # Files are the truth, MLflow is a view: delete the store, and this rule alone builds it anew. A server that is
    # down fails this rule and nothing else.
    input:
        configuration=CONFIGURATION,
        cells=cell_files(),
    output:
        LAYOUT.mlflow / "synced.txt",
    log:
        LAYOUT.log("mlflow"),
    localrule: ON_SUBMIT_HOST
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        code=sources.digest("snn.tracking.sync"),
        server=dependencies.digest(os.environ.get("MLFLOW_TRACKING_URI", "")),
    message:
        "mlflow: bring the view up to date"
    shell:
        '$SNN mlflow-sync --configfile "${{CONFIG:-{input.configuration}}}" > {log:q} 2>&1 && cp {log:q} {output:q}'
