# One self-contained page a testbed, which opens with a double click.


rule report:
    input:
        data=dataset_files,
        notebooks=report_notebooks,
    output:
        report(
            f"{RESULTS}/{{dataset}}/report/index.html",
            category="{dataset}",
            subcategory="Report",
            caption="../report/report.rst",
            labels={"what": "the whole report, one page"},
        ),
    log:
        f"{RESULTS}/{{dataset}}/logs/report.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    message:
        "Writing the report of {wildcards.dataset}"
    shell:
        "middlebench report {output:q} {input.notebooks:q} 2> {log:q}"
