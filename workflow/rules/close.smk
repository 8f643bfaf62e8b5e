# The controls after the last cell. Those before and between cells are measured by `measure`, when they are due.


rule close:
    input:
        provision=f"{RESULTS}/{{testbed}}/provision.json",
        environment=present_environment,
        records=lambda wildcards: records(wildcards.testbed),
    output:
        f"{RESULTS}/{{testbed}}/controls/closing.json",
    log:
        f"{RESULTS}/{{testbed}}/logs/close.log",
    priority: lambda wildcards: ORDER.closing_priority(wildcards.testbed)
    conda:
        "../../envs/environment.yaml"
    resources:
        **TESTBED_RESOURCES,
    params:
        composition=composition,
        settings=STUDY.settings.model_dump_json(exclude_none=True),
    message:
        "Measuring the closing controls of {wildcards.testbed}"
    shell:
        "middlebench control {output:q} 2> {log:q}"
