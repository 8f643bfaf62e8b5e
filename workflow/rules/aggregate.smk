# From many records to one tidy table.


rule aggregate:
    input:
        records=lambda wildcards: records(wildcards.testbed),
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
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        cells=[STUDY.axes, STUDY.repetitions],
        band=BAND,
        command=STUDY.measuring_command,
    message:
        "Aggregating {wildcards.testbed}"
    shell:
        "middlebench aggregate {output.measurements:q} 2> {log:q}"
