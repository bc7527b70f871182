# Raw recordings -> one store per data set.
#
# The declared output is `converted.json`, not the store beside it. Snakemake deletes the declared outputs of a rule
# before it runs it and when it fails; the old store must stay until a new one is complete (snn/data/conversion.py).


rule convert:
    input:
        lambda w: PLAN.raw_inputs(w.dataset),
    output:
        store_files(),
    log:
        str(ROOT / "logs" / "convert" / "{dataset}.log"),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
        gpu=0,
    params:
        config=RESOLVED,
        token=lambda w: PLAN.dataset_token(w.dataset),
    message:
        "convert {wildcards.dataset}"
    shell:
        "python -m snn convert {wildcards.dataset} --configfile {params.config} > {log} 2>&1"
