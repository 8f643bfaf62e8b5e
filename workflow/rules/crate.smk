# A testbed's results as an RO-Crate, a folder that can be sent as it is, and as one file on request.


rule crate:
    input:
        data=lambda wildcards: dataset_files(wildcards, wildcards.testbed),
        report=f"{RESULTS}/{{testbed}}/report/index.html",
        copied=CRATE_INPUTS,
    output:
        metadata=f"{RESULTS}/{{testbed}}/ro-crate-metadata.json",
        preview=f"{RESULTS}/{{testbed}}/ro-crate-preview.html",
        citations=expand(
            f"{RESULTS}/{{{{testbed}}}}/{{name}}",
            name=["CITATION.cff", ".zenodo.json"] if STUDY.authors else [],
        ),
        copies=expand(
            f"{RESULTS}/{{{{testbed}}}}/inputs/{{name}}",
            name=[
                "study.json",
                *(path_in_project(Path(path)) for path in CRATE_INPUTS),
            ],
        ),
    log:
        f"{RESULTS}/{{testbed}}/logs/crate.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        study=STUDY.model_dump_json(),
    message:
        "Describing the results of {wildcards.testbed} as an RO-Crate"
    shell:
        "middlebench crate {output.metadata:q} {input.copied:q} 2> {log:q}"


rule pack_crate:
    input:
        rules.crate.output.metadata,
        rules.crate.output.preview,
        rules.crate.output.citations,
    output:
        f"{RESULTS}/{{testbed}}.zip",
    log:
        f"{RESULTS}/{{testbed}}/logs/pack-crate.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        folder=lambda wildcards: f"{RESULTS}/{wildcards.testbed}",
    message:
        "Packing the results of {wildcards.testbed}"
    shell:
        "middlebench pack --folder {params.folder:q} --output {output:q} 2> {log:q}"
