# The phases of one cell. `params.token` changes with the configuration and the code that the phase and its method
# use, and with nothing else: Snakemake reruns by it.


rule train:
    input:
        configuration=CONFIGURATION,
        store=store_of_cell,
        teacher=teacher_of_cell,
        start=start_of_cell,
    output:
        **CELL.named("train"),
    log:
        LAYOUT.log("{cell}", "train"),
    threads: lambda wildcards: C.resources.threads * processes(wildcards)
    resources:
        **{name: processes for name in GPU},
        mem_mb=lambda wildcards, attempt: C.resources.train_mem_mb
        * processes(wildcards)
        * attempt,
        runtime=growing(C.resources.train_runtime_min),
    params:
        token=token("train"),
    message:
        "train {wildcards.cell}"
    shell:
        '$SNN train {wildcards.cell} --configfile "${{CONFIG:-{input.configuration}}}" --token {params.token}'
        " > {log:q} 2>&1"


rule sweep:
    input:
        **CELL.named("train"),
        configuration=CONFIGURATION,
        store=store_of_cell,
    output:
        **CELL.named("sweep"),
    log:
        LAYOUT.log("{cell}", "sweep"),
    threads: C.resources.threads
    resources:
        **GPU,
        mem_mb=growing(C.resources.train_mem_mb),
        runtime=growing(60),
    params:
        token=token("sweep"),
    message:
        "sweep {wildcards.cell}"
    shell:
        '$SNN sweep {wildcards.cell} --configfile "${{CONFIG:-{input.configuration}}}" --token {params.token}'
        " > {log:q} 2>&1"


rule deploy:
    input:
        **CELL.named("train"),
        configuration=CONFIGURATION,
        store=store_of_cell,
    output:
        **CELL.named("deploy"),
    log:
        LAYOUT.log("{cell}", "deploy"),
    threads: C.resources.threads
    resources:
        **GPU,
        mem_mb=growing(C.resources.train_mem_mb),
        runtime=growing(240),
    params:
        token=token("deploy"),
    message:
        "deploy {wildcards.cell}"
    shell:
        '$SNN deploy {wildcards.cell} --configfile "${{CONFIG:-{input.configuration}}}" --token {params.token}'
        " > {log:q} 2>&1"
