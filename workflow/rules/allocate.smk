# Which cells get extra repetitions: known only when all planned ones are measured.


checkpoint allocate:
    input:
        lambda wildcards: planned_records(wildcards.testbed),
    output:
        f"{RESULTS}/{{testbed}}/extra.json",
    log:
        f"{RESULTS}/{{testbed}}/logs/allocate.log",
    priority: lambda wildcards: ORDER.allocation_priority(wildcards.testbed, STUDY.repetitions)
    conda:
        ENVIRONMENT
    params:
        grid=GRID,
        budget=STUDY.extra_repetitions,
        folder=lambda wildcards: f"{RESULTS}/{wildcards.testbed}",
        settings=STUDY.settings.model_dump_json(exclude_none=True),
        mix="--mix-environments" if STUDY.other_environment == "reuse" else "",
    message:
        "Giving extra repetitions, {params.budget} in all, to the cells of {wildcards.testbed} that are known least"
    shell:
        "middlebench allocate --folder {params.folder:q} --grid {params.grid:q} --budget {params.budget}"
        " --settings {params.settings:q} {params.mix} --output {output:q} 2> {log:q}"
