# From many records to one tidy table.


rule aggregate:
    input:
        records=lambda wildcards: records(wildcards.testbed),
        extra=lambda wildcards: extra_list(wildcards.testbed),
        control=closing_control,
    output:
        measurements=report(
            f"{RESULTS}/{{testbed}}/measurements.csv",
            category="{testbed}",
            subcategory="Data",
            caption="../report/measurements.rst",
            labels={"what": "every cell, one row each"},
        ),
        summary=report(
            f"{RESULTS}/{{testbed}}/summary.csv",
            category="{testbed}",
            subcategory="Data",
            caption="../report/summary.rst",
            labels={"what": "the mean over repetitions, and how sure it is"},
        ),
    log:
        f"{RESULTS}/{{testbed}}/logs/aggregate.log",
    conda:
        ENVIRONMENT
    params:
        grid=GRID,
        folder=lambda wildcards: f"{RESULTS}/{wildcards.testbed}",
        band=BAND,
        command=STUDY.measuring_command,
        settings=STUDY.settings.model_dump_json(exclude_none=True),
    message:
        "Aggregating {wildcards.testbed}"
    shell:
        "middlebench aggregate --folder {params.folder:q}"
        " --grid {params.grid:q} --extra {input.extra:q} --band {params.band} --command {params.command:q}"
        " --settings {params.settings:q} --output {output.measurements:q}"
        " --summary {output.summary:q} 2> {log:q}"
