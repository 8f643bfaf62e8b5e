# An adaptive sweep: which cells come next is known only when those of the batches before are measured.


checkpoint choose_cells:
    input:
        provision=f"{RESULTS}/{{testbed}}/provision.json",
        records=lambda wildcards: records_of(wildcards.testbed, int(wildcards.batch)),
    output:
        f"{RESULTS}/{{testbed}}/batches/{{batch}}.json",
    log:
        f"{RESULTS}/{{testbed}}/logs/choose-cells-{{batch}}.log",
    wildcard_constraints:
        batch=r"[1-9]\d*",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        grid=STUDY.axes,
        certainty=STUDY.certainty,
    message:
        "Choosing batch {wildcards.batch} of the cells of {wildcards.testbed}"
    shell:
        "middlebench choose-cells {output:q} 2> {log:q}"
