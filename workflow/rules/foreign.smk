# Around the scripts of other frameworks: their environment, the frames they are given, the cells made of what they leave.
# Each framework's own rule is in baselines/; it makes `foreign_files()` of a cell.


rule foreign_venv:
    # Where Snakemake makes no environments (`--sdm conda`), pip does, from the framework's exact pins.
    input:
        "workflow/foreign/{framework}/requirements.txt",
    output:
        f"{VENVS}/{{framework}}.txt",
    log:
        f"{VENVS}/{{framework}}.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
        gpu=0,
    params:
        folder=subpath(output[0], strip_suffix=".txt"),
    message:
        "environment of {wildcards.framework}"
    shell:
        "(rm -rf {params.folder:q} && python -m venv {params.folder:q}"
        " && {params.folder:q}/bin/python -m pip install --disable-pip-version-check -r {input:q}"
        " && {params.folder:q}/bin/python -m pip freeze > {output:q}) > {log:q} 2>&1"


rule export_frames:
    input:
        store_files(),
    output:
        temp(FRAMES),
    log:
        str(ROOT / "logs" / "foreign" / "{dataset}-T{t}.log"),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=C.resources.train_mem_mb,
        runtime=60,
        gpu=0,
    params:
        config=RESOLVED,
        t_eval=C.sweep.t_eval,
        code=sources.digest("snn.phases.foreign"),
    message:
        "frames of {wildcards.dataset} at T {wildcards.t} for foreign scripts"
    shell:
        "python -m snn export-frames {wildcards.dataset} {wildcards.t} {output:q} --configfile {params.config:q}"
        " > {log:q} 2>&1"


rule adopt:
    input:
        left=foreign_files(),
        store=store_files(),
    output:
        foreign_phase_files(),
    log:
        f"{LOG}/adopt.log",
    wildcard_constraints:
        method=FOREIGN,
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        gpu=0,
    params:
        config=RESOLVED,
        token=token("sweep"),
    message:
        "adopt {wildcards.dataset}/{wildcards.network}/{wildcards.method}/T{wildcards.t}/seed{wildcards.seed}"
    shell:
        "python -m snn adopt"
        " {wildcards.dataset}/{wildcards.network}/{wildcards.method}/T{wildcards.t}/seed{wildcards.seed}"
        " --configfile {params.config:q} --token {params.token} > {log:q} 2>&1"
