# The trained network on disturbed hardware; methods that learn from a teacher need it again to learn there.


rule disturb:
    input:
        store=store_files(),
        trained=phase_files("train"),
        teacher=teacher_files,
    output:
        phase_files("disturb"),
    log:
        f"{LOG}/disturb.log",
    conda:
        "../../environment.yml"
    threads: C.resources.threads
    resources:
        mem_mb=C.resources.train_mem_mb,
        runtime=C.resources.train_runtime_min,
        gpu=int(C.resources.device != "cpu"),
    params:
        config=RESOLVED,
        token=token("disturb"),
    message:
        "disturb {wildcards.dataset}/{wildcards.network}/{wildcards.method}/T{wildcards.t}/seed{wildcards.seed}"
    shell:
        "python -m snn disturb"
        " {wildcards.dataset}/{wildcards.network}/{wildcards.method}/T{wildcards.t}/seed{wildcards.seed}"
        " --configfile {params.config} --token {params.token} > {log} 2>&1"
