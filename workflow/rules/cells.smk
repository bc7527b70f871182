# The phases of one cell. `params.token` changes with the configuration and the code that the phase and its method
# use, and with nothing else: Snakemake reruns by it.


rule train:
    input:
        store=store_files(),
        teacher=teacher_files,
    output:
        phase_files("train"),
    params:
        token=token("train"),
    log:
        f"{LOG}/train.log",
    threads: C.resources.threads
    resources:
        mem_mb=C.resources.train_mem_mb,
        runtime=C.resources.train_runtime_min,
        gpu=int(C.resources.device != "cpu"),
    shell:
        "{SNN} train " + CELL.replace("{", "{wildcards.") + " --configfile {RESOLVED} > {log} 2>&1"


rule sweep:
    input:
        store=store_files(),
        trained=phase_files("train"),
    output:
        phase_files("sweep"),
    params:
        token=token("sweep"),
    log:
        f"{LOG}/sweep.log",
    threads: C.resources.threads
    resources:
        mem_mb=C.resources.train_mem_mb,
        runtime=60,
        gpu=int(C.resources.device != "cpu"),
    shell:
        "{SNN} sweep " + CELL.replace("{", "{wildcards.") + " --configfile {RESOLVED} > {log} 2>&1"


rule deploy:
    input:
        store=store_files(),
        trained=phase_files("train"),
    output:
        phase_files("deploy"),
    params:
        token=token("deploy"),
    log:
        f"{LOG}/deploy.log",
    threads: C.resources.threads
    resources:
        mem_mb=C.resources.train_mem_mb,
        runtime=240,
        gpu=0,
    shell:
        "{SNN} deploy " + CELL.replace("{", "{wildcards.") + " --configfile {RESOLVED} > {log} 2>&1"
