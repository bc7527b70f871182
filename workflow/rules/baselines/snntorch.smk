# Methods named snntorch-… are trained by snnTorch, in its own environment. Copy this file for another framework: what
# its script is given and has to leave is said in snn/phases/foreign.py, and docs/foreign.md walks through it.


rule snntorch:
    input:
        script=foreign_script,
        frames=FRAMES,
        environment=foreign_environment("snntorch"),
    output:
        foreign_files(),
    log:
        f"{LOG}/foreign.log",
    wildcard_constraints:
        method="snntorch-[^/]+",
    conda:
        "../../foreign/snntorch/environment.yml"
    threads: C.resources.threads
    resources:
        mem_mb=C.resources.train_mem_mb,
        runtime=C.resources.train_runtime_min,
        gpu=int(C.resources.device != "cpu"),
    params:
        python=foreign_python("snntorch"),
        spec=foreign_spec,
        out=subpath(output[0], parent=True),
    message:
        "snntorch {wildcards.dataset}/{wildcards.network}/{wildcards.method}/T{wildcards.t}/seed{wildcards.seed}"
    shell:
        # -I: nothing of this project's environment is seen
        "{params.python:q} -I {input.script:q} --frames {input.frames:q} --spec {params.spec:q} --out {params.out:q}"
        " > {log:q} 2>&1"
