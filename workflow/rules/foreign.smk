# Around the scripts of other frameworks: their environment, the frames they are given, the cells made of what they leave.
# Each framework's own rule is in baselines/; it makes `CELL.foreign_files()`.


rule foreign_venv:
    # Made by pip from the framework's exact pins.
    input:
        f"{literal(PROJECT)}/workflow/foreign/{{framework}}/requirements.txt",
    output:
        f"{VENVS}/{{framework}}.txt",
    log:
        f"{VENVS}/{{framework}}.log",
    localrule: ON_SUBMIT_HOST
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
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
        configuration=CONFIGURATION,
        store=STORE,
    output:
        temp(LAYOUT.frames("{dataset}", "{t}")),
    log:
        LAYOUT.log("foreign", "{dataset}-T{t}"),
    threads: 1
    resources:
        mem_mb=growing(C.resources.train_mem_mb),
        runtime=growing(60),
    params:
        t_eval=C.sweep.t_eval,
        code=sources.digest("snn.phases.foreign"),
    message:
        "frames of {wildcards.dataset} at T {wildcards.t} for foreign scripts"
    shell:
        '$SNN export-frames {wildcards.dataset} {wildcards.t} {output:q} --configfile "${{CONFIG:-{input.configuration}}}"'
        " > {log:q} 2>&1"


rule adopt:
    input:
        configuration=CONFIGURATION,
        left=CELL.foreign_files(),
        store=store_of_cell,
    output:
        CELL.adopted_files(),
    log:
        LAYOUT.log("{cell}", "adopt"),
    wildcard_constraints:
        cell=FOREIGN_CELL,
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        token=token("sweep"),
    message:
        "adopt {wildcards.cell}"
    shell:
        '$SNN adopt {wildcards.cell} --configfile "${{CONFIG:-{input.configuration}}}" --token {params.token} > {log:q} 2>&1'


rule deploy_foreign:
    # Of methods with `nir: true`; network.nir is no declared file, since a script may have reasons to leave none.
    input:
        configuration=CONFIGURATION,
        left=CELL.foreign_files(),
        adopted=CELL.adopted_files(),
        store=store_of_cell,
    output:
        **CELL.named("deploy"),
    log:
        LAYOUT.log("{cell}", "deploy"),
    wildcard_constraints:
        cell=FOREIGN_CELL,
    threads: C.resources.threads
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
    params:
        token=token("deploy"),
    message:
        "deploy {wildcards.cell}"
    shell:
        '$SNN deploy {wildcards.cell} --configfile "${{CONFIG:-{input.configuration}}}" --token {params.token}'
        " > {log:q} 2>&1"
