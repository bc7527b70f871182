# Why a method does what it does, measured on its trained cells. Which cells are probed: `probe.seeds`.


rule probe:
    input:
        **CELL.named("train"),
        configuration=CONFIGURATION,
        store=store_of_cell,
        teacher=teacher_of_cell,
        start=start_of_cell,
    output:
        **CELL.named("probe"),
    log:
        LAYOUT.log("{cell}", "probe"),
    threads: C.resources.threads
    resources:
        **GPU,
        mem_mb=growing(C.resources.train_mem_mb),
        runtime=growing(60),
    params:
        token=token("probe"),
    message:
        "probe {wildcards.cell}"
    shell:
        '$SNN probe {wildcards.cell} --configfile "${{CONFIG:-{input.configuration}}}" --token {params.token}'
        " > {log:q} 2>&1"
