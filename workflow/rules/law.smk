# The law that a dataset's throughput follows; a notebook explains it.


rule find_law:
    input:
        dataset_files,
    output:
        f"{RESULTS}/{{dataset}}/law.json",
    log:
        f"{RESULTS}/{{dataset}}/logs/find-law.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        share=STUDY.knee_share,
    message:
        "Finding the law of {wildcards.dataset}"
    shell:
        "middlebench law {output:q} 2> {log:q}"
