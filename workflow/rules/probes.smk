# Why a method does what it does, measured on its trained cells. Which cells are probed: `probe.seeds`.


rule probe:
    input:
        store=store_files(),
        trained=phase_files("train"),
        teacher=teacher_files,
    output:
        phase_files("probe"),
    log:
        f"{LOG}/probe.log",
    conda:
        "../../environment.yml"
    threads: C.resources.threads
    resources:
        mem_mb=C.resources.train_mem_mb,
        runtime=60,
        gpu=int(C.resources.device != "cpu"),
    params:
        config=RESOLVED,
        token=token("probe"),
    message:
        "probe {wildcards.dataset}/{wildcards.network}/{wildcards.method}/T{wildcards.t}/seed{wildcards.seed}"
    shell:
        "python -m snn probe"
        " {wildcards.dataset}/{wildcards.network}/{wildcards.method}/T{wildcards.t}/seed{wildcards.seed}"
        " --configfile {params.config} --token {params.token} > {log} 2>&1"
