# The trained network under simulated hardware non-idealities; methods that learn from a teacher need it again there.


rule robustness:
    input:
        **CELL.named("train"),
        configuration=CONFIGURATION,
        store=store_of_cell,
        teacher=teacher_of_cell,
    output:
        **CELL.named("robustness"),
    log:
        LAYOUT.log("{cell}", "robustness"),
    threads: C.resources.threads
    resources:
        **GPU,
        mem_mb=growing(C.resources.train_mem_mb),
        runtime=growing(C.resources.train_runtime_min),
    params:
        token=token("robustness"),
    message:
        "robustness {wildcards.cell}"
    shell:
        '$SNN robustness {wildcards.cell} --configfile "${{CONFIG:-{input.configuration}}}" --token {params.token}'
        " > {log:q} 2>&1"
