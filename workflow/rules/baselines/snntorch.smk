# Methods named snntorch-… are trained by snnTorch, in its own environment. Copy this file for another framework: what
# its script is given and has to leave is said in snn/phases/foreign.py, and docs/foreign.md walks through it.


rule snntorch:
    input:
        script=foreign_script,
        frames=foreign_frames,
        environment=foreign_environment("snntorch"),
    output:
        CELL.foreign_files(),
    log:
        LAYOUT.log("{cell}", "foreign"),
    wildcard_constraints:
        cell=pattern("snntorch-[^/]+"),
    threads: C.resources.threads
    resources:
        **GPU,
        mem_mb=growing(C.resources.train_mem_mb),
        runtime=growing(C.resources.train_runtime_min),
    params:
        python=foreign_python("snntorch"),
        spec=foreign_spec,
        out=subpath(output[0], parent=True),
    message:
        "snntorch {wildcards.cell}"
    shell:
        # -I: nothing of this project's environment is seen
        "{params.python:q} -I {input.script:q} --frames {input.frames:q} --spec {params.spec:q} --out {params.out:q}"
        " > {log:q} 2>&1"
