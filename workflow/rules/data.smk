# Raw recordings -> one store per data set.


rule convert:
    input:
        lambda w: PLAN.raw_inputs(w.dataset),
    output:
        store_files(),
    params:
        token=lambda w: PLAN.dataset_token(w.dataset),
    log:
        str(ROOT / "logs" / "convert" / "{dataset}.log"),
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    shell:
        "{SNN} convert {wildcards.dataset} --configfile {RESOLVED} > {log} 2>&1"
