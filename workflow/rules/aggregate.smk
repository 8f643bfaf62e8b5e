# From many records to one tidy table.


rule aggregate:
    input:
        lambda wildcards: records(testbeds=[wildcards.testbed]),
    output:
        report(
            f"{RESULTS}/{{testbed}}/measurements.csv",
            category="{testbed}",
            subcategory="Data",
            caption="../report/measurements.rst",
            labels={"what": "every cell, one row each"},
        ),
    log:
        f"{RESULTS}/{{testbed}}/logs/aggregate.log",
    params:
        grid=GRID,
    message:
        "Aggregating {wildcards.testbed}"
    shell:
        "{PYTHON:q} -m middlebench aggregate --folder {RESULTS:q}/{wildcards.testbed}"
        " --grid {params.grid:q} --output {output:q} 2> {log:q}"
