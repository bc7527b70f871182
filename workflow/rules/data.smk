# Raw recordings -> one store per data set; and the configuration, where jobs find it in an object store alone.


if OBJECT_STORE:

    rule configuration:
        output:
            LAYOUT.configuration,
        log:
            LAYOUT.log("configuration"),
        localrule: True
        threads: 1
        params:
            resolved=RESOLVED,
        message:
            "write the resolved configuration"
        shell:
            "printf '%s\\n' {params.resolved:q} > {output:q} 2> {log:q}"


rule convert:
    input:
        configuration=CONFIGURATION,
        raw=lambda w: raw_inputs(w.dataset),
    output:
        STORE,
    log:
        LAYOUT.log("convert", "{dataset}"),
    localrule: ON_SUBMIT_HOST
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
    params:
        token=lambda w: dependencies.dataset_token(PLAN, w.dataset),
    message:
        "convert {wildcards.dataset}"
    shell:
        '$SNN convert {wildcards.dataset} --configfile "${{CONFIG:-{input.configuration}}}" > {log:q} 2>&1'
