# One cell. It makes sure by itself that the chain it measures is the live one.


rule measure:
    input:
        provision=f"{RESULTS}/{{testbed}}/provision.json",
        environment=present_environment,
        deployment=lambda wildcards: f"{RESULTS}/{wildcards.testbed}/{cell_of(wildcards).deployment_path}",
    output:
        record=f"{RESULTS}/{{testbed}}/cells/{{cell}}.json",
        raw=f"{RESULTS}/{{testbed}}/cells/{{cell}}.generator.txt",
    log:
        f"{RESULTS}/{{testbed}}/logs/measure/{{cell}}.log",
    priority: lambda wildcards: ORDER.cell_priority(cell_of(wildcards))
    conda:
        "../../envs/environment.yaml"
    resources:
        **TESTBED_RESOURCES,
    params:
        composition=composition,
        protocol=PROTOCOL,
        settings=STUDY.settings.model_dump_json(exclude_none=True),
    message:
        "Measuring {wildcards.cell} on {wildcards.testbed}"
    shell:
        "middlebench measure {output.record:q} 2> {log:q}"


# A path among the cells that is none: told as what it is.
rule misspelt_cell:
    input:
        lambda wildcards: cell_of(wildcards),
    output:
        f"{RESULTS}/{{testbed}}/cells/{{cell}}.json",
    log:
        f"{RESULTS}/{{testbed}}/logs/measure/{{cell}}.log",
    wildcard_constraints:
        cell=f"(?!(?:{CELL_PATTERN})[.]json).+",
    conda:
        "../../envs/environment.yaml"
    shell:
        "false {input:q} {output:q} 2> {log:q}"
