# The phases of one cell. `params.token` changes with the configuration and the code that the phase and its method
# use, and with nothing else: Snakemake reruns by it.


rule train:
    input:
        store=store_files(),
        teacher=teacher_files,
    output:
        phase_files("train"),
    log:
        f"{LOG}/train.log",
    conda:
        "../../environment.yml"
    threads: C.resources.threads
    resources:
        mem_mb=C.resources.train_mem_mb,
        runtime=C.resources.train_runtime_min,
        gpu=int(C.resources.device != "cpu"),
    params:
        config=RESOLVED,
        token=token("train"),
    message:
        "train {wildcards.dataset}/{wildcards.network}/{wildcards.method}/T{wildcards.t}/seed{wildcards.seed}"
    shell:
        "python -m snn train"
        " {wildcards.dataset}/{wildcards.network}/{wildcards.method}/T{wildcards.t}/seed{wildcards.seed}"
        " --configfile {params.config} --token {params.token} > {log} 2>&1"


rule sweep:
    input:
        store=store_files(),
        trained=phase_files("train"),
    output:
        phase_files("sweep"),
    log:
        f"{LOG}/sweep.log",
    conda:
        "../../environment.yml"
    threads: C.resources.threads
    resources:
        mem_mb=C.resources.train_mem_mb,
        runtime=60,
        gpu=int(C.resources.device != "cpu"),
    params:
        config=RESOLVED,
        token=token("sweep"),
    message:
        "sweep {wildcards.dataset}/{wildcards.network}/{wildcards.method}/T{wildcards.t}/seed{wildcards.seed}"
    shell:
        "python -m snn sweep"
        " {wildcards.dataset}/{wildcards.network}/{wildcards.method}/T{wildcards.t}/seed{wildcards.seed}"
        " --configfile {params.config} --token {params.token} > {log} 2>&1"


rule deploy:
    input:
        store=store_files(),
        trained=phase_files("train"),
    output:
        phase_files("deploy"),
    log:
        f"{LOG}/deploy.log",
    conda:
        "../../environment.yml"
    threads: C.resources.threads
    resources:
        mem_mb=C.resources.train_mem_mb,
        runtime=240,
        gpu=int(C.resources.device != "cpu"),
    params:
        config=RESOLVED,
        token=token("deploy"),
    message:
        "deploy {wildcards.dataset}/{wildcards.network}/{wildcards.method}/T{wildcards.t}/seed{wildcards.seed}"
    shell:
        "python -m snn deploy"
        " {wildcards.dataset}/{wildcards.network}/{wildcards.method}/T{wildcards.t}/seed{wildcards.seed}"
        " --configfile {params.config} --token {params.token} > {log} 2>&1"
