# The law that a dataset's throughput follows: one file, and the notebook that explains it.


rule find_law:
    input:
        dataset_files,
    output:
        f"{RESULTS}/{{dataset}}/law.json",
    log:
        f"{RESULTS}/{{dataset}}/logs/find-law.log",
    conda:
        ENVIRONMENT
    params:
        results=results_folder,
        share=STUDY.knee_share,
    message:
        "Finding the law of {wildcards.dataset}"
    shell:
        "middlebench law --dataset {wildcards.dataset} --results {params.results:q}"
        " --knee-share {params.share} --output {output:q} 2> {log:q}"


rule explain_law:
    input:
        data=dataset_files,
        law=f"{RESULTS}/{{dataset}}/law.json",
        notebook="notebooks/law.ipynb",
    output:
        figures=[
            report(
                f"{RESULTS}/{{dataset}}/figures/{name}.svg",
                category="{dataset}",
                subcategory="Law",
                caption=f"../report/{name}.rst",
                labels={"what": title},
            )
            for name, title in LAW_FIGURES.items()
        ],
        others=expand(
            f"{RESULTS}/{{{{dataset}}}}/figures/{{name}}.{{kind}}",
            name=LAW_FIGURES,
            kind=["png", "pdf"],
        ),
        tables=expand(
            f"{RESULTS}/{{{{dataset}}}}/tables/{{name}}.{{kind}}",
            name=LAW_TABLES,
            kind=["csv", "md", "tex"],
        ),
        notebook=f"{RESULTS}/{{dataset}}/report/law.ipynb",
    log:
        f"{RESULTS}/{{dataset}}/logs/explain-law.log",
    conda:
        ENVIRONMENT
    params:
        results=results_folder,
    message:
        "Explaining the law of {wildcards.dataset}"
    shell:
        EXECUTE


rule lay_beside:
    input:
        data=dataset_files,
        law=f"{RESULTS}/{{dataset}}/law.json",
        other=lambda wildcards: file_of(OTHERS[wildcards.other]),
        notebook="notebooks/equivalence.ipynb",
    output:
        tables=expand(
            f"{RESULTS}/{{{{dataset}}}}/tables/{{name}}_{{{{other}}}}.{{kind}}",
            name=["equivalence", "laws"],
            kind=["csv", "md", "tex"],
        ),
        notebook=f"{RESULTS}/{{dataset}}/report/equivalence_{{other}}.ipynb",
    log:
        f"{RESULTS}/{{dataset}}/logs/lay-beside-{{other}}.log",
    wildcard_constraints:
        other="|".join(OTHERS) or "none",
    conda:
        ENVIRONMENT
    params:
        results=results_folder,
        path=lambda wildcards: OTHERS[wildcards.other],
        margin=STUDY.equivalence_margin,
    message:
        "Laying {wildcards.dataset} beside {wildcards.other}"
    shell:
        EXECUTE.replace(
            "2> {log:q}",
            "--parameter reference {wildcards.other} --parameter other {params.path:q}"
            " --number margin {params.margin} 2> {log:q}",
        )
