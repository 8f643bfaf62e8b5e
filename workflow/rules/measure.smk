# One cell. It makes sure by itself that the chain it measures is the live one.


rule measure:
    input:
        provision=f"{RESULTS}/{{testbed}}/provision.json",
        environment=present_environment,
        deployment=f"{RESULTS}/{{testbed}}/deployments/n{{n}}.json",
    output:
        # `update`, as every record: one that is there is moved aside before the job, and never put back; see `onstart`.
        record=update(
            f"{RESULTS}/{{testbed}}/cells/n{{n}}/size{{size}}/rep{{rep}}.json"
        ),
        raw=update(
            f"{RESULTS}/{{testbed}}/cells/n{{n}}/size{{size}}/rep{{rep}}.generator.txt"
        ),
    log:
        f"{RESULTS}/{{testbed}}/logs/measure-n{{n}}-size{{size}}-rep{{rep}}.log",
    priority: lambda wildcards: ORDER.cell_priority(*cell_of(wildcards))
    conda:
        ENVIRONMENT
    resources:
        testbed=1,
        # No parameters: another order, or controls at other times, measure no cell anew.
        place=place_of,
        controls=CONTROLS,
    params:
        composition=composition,
        protocol=PROTOCOL,
        settings=STUDY.settings.model_dump_json(exclude_none=True),
    message:
        "Measuring n={wildcards.n}, {wildcards.size} B, repetition {wildcards.rep} on {wildcards.testbed}"
    shell:
        "middlebench measure --provision {input.provision:q} --environment {input.environment:q} --chain-length {wildcards.n}"
        " --frame-size {wildcards.size} --repetition {wildcards.rep} --settings {params.settings:q}"
        " --place {resources.place:q} --controls {resources.controls:q}"
        " --raw-output {output.raw:q} --output {output.record:q} 2> {log:q}"
