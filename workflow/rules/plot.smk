# The notebooks make tables and figures, of measured and of published data alike.


rule plot:
    input:
        data=dataset_files,
        notebook="notebooks/figures.ipynb",
    output:
        figures=[
            report(
                f"{RESULTS}/{{dataset}}/figures/{name}.svg",
                category="{dataset}",
                subcategory="Figures",
                caption=f"../report/{name}.rst",
                labels={"what": title},
            )
            for name, title in FIGURES.items()
        ],
        others=expand(
            f"{RESULTS}/{{{{dataset}}}}/figures/{{name}}.{{kind}}",
            name=FIGURES,
            kind=["png", "pdf"],
        ),
        notebook=f"{RESULTS}/{{dataset}}/report/figures.ipynb",
    log:
        f"{RESULTS}/{{dataset}}/logs/plot.log",
    conda:
        ENVIRONMENT
    params:
        results=results_folder,
    message:
        "Drawing the figures of {wildcards.dataset}"
    shell:
        EXECUTE


rule tabulate:
    input:
        data=dataset_files,
        notebook="notebooks/tables.ipynb",
    output:
        tables=[
            report(
                f"{RESULTS}/{{dataset}}/tables/{name}.csv",
                category="{dataset}",
                subcategory="Tables",
                caption=f"../report/{name}.rst",
                labels={"what": title},
            )
            for name, title in TABLES.items()
        ],
        others=expand(
            f"{RESULTS}/{{{{dataset}}}}/tables/{{name}}.{{kind}}",
            name=TABLES,
            kind=["md", "tex"],
        ),
        notebook=f"{RESULTS}/{{dataset}}/report/tables.ipynb",
    log:
        f"{RESULTS}/{{dataset}}/logs/tabulate.log",
    conda:
        ENVIRONMENT
    params:
        results=results_folder,
    message:
        "Writing the tables of {wildcards.dataset}"
    shell:
        EXECUTE


rule compare:
    input:
        data=dataset_files,
        reference=lambda wildcards: dataset_files(wildcards, wildcards.reference),
        notebook="notebooks/comparison.ipynb",
    output:
        figure=report(
            f"{RESULTS}/{{dataset}}/figures/comparison_{{reference}}.svg",
            category="{dataset}",
            subcategory="Comparison",
            caption="../report/comparison.rst",
            labels={"what": "received throughput over that of {reference}"},
        ),
        others=expand(
            f"{RESULTS}/{{{{dataset}}}}/figures/comparison_{{{{reference}}}}.{{kind}}",
            kind=["png", "pdf"],
        ),
        tables=expand(
            f"{RESULTS}/{{{{dataset}}}}/tables/comparison_{{{{reference}}}}{{part}}.{{kind}}",
            part=["", "_by_length", "_by_size"],
            kind=["csv", "md", "tex"],
        ),
        notebook=f"{RESULTS}/{{dataset}}/report/comparison_{{reference}}.ipynb",
    log:
        f"{RESULTS}/{{dataset}}/logs/compare-{{reference}}.log",
    conda:
        ENVIRONMENT
    params:
        results=results_folder,
    message:
        "Comparing {wildcards.dataset} with {wildcards.reference}"
    shell:
        EXECUTE.replace(
            "2> {log:q}", "--parameter reference {wildcards.reference} 2> {log:q}"
        )


rule judge_claims:
    input:
        data=dataset_files,
        publication=lambda wildcards: published_files(wildcards.publication),
        law=f"{RESULTS}/{{dataset}}/law.json",
        notebook="notebooks/claims.ipynb",
    output:
        table=report(
            f"{RESULTS}/{{dataset}}/tables/claims_{{publication}}.csv",
            category="{dataset}",
            subcategory="Claims",
            caption="../report/claims.rst",
            labels={"what": "the claims of {publication}, and a verdict on each"},
        ),
        others=expand(
            f"{RESULTS}/{{{{dataset}}}}/tables/claims_{{{{publication}}}}.{{kind}}",
            kind=["md", "tex"],
        ),
        notebook=f"{RESULTS}/{{dataset}}/report/claims_{{publication}}.ipynb",
    log:
        f"{RESULTS}/{{dataset}}/logs/judge-claims-{{publication}}.log",
    conda:
        ENVIRONMENT
    params:
        results=results_folder,
    message:
        "Judging the claims of {wildcards.publication} by {wildcards.dataset}"
    shell:
        EXECUTE.replace(
            "2> {log:q}", "--parameter publication {wildcards.publication} 2> {log:q}"
        )


rule describe_controls:
    input:
        data=dataset_files,
        notebook="notebooks/controls.ipynb",
    output:
        figure=report(
            f"{RESULTS}/{{dataset}}/figures/controls.svg",
            category="{dataset}",
            subcategory="Figures",
            caption="../report/controls.rst",
            labels={"what": "Controls: whether the instrument stayed the same"},
        ),
        others=expand(
            f"{RESULTS}/{{{{dataset}}}}/figures/controls.{{kind}}",
            kind=["png", "pdf"],
        ),
        tables=expand(
            f"{RESULTS}/{{{{dataset}}}}/tables/controls.{{kind}}",
            kind=["csv", "md", "tex"],
        ),
        notebook=f"{RESULTS}/{{dataset}}/report/controls.ipynb",
    log:
        f"{RESULTS}/{{dataset}}/logs/describe-controls.log",
    conda:
        ENVIRONMENT
    params:
        results=results_folder,
        band=BAND,
    message:
        "Describing the controls of {wildcards.dataset}"
    shell:
        EXECUTE.replace("2> {log:q}", "--number band {params.band} 2> {log:q}")


rule describe_deployment:
    input:
        data=dataset_files,
        notebook="notebooks/deployment.ipynb",
    output:
        figure=report(
            f"{RESULTS}/{{dataset}}/figures/deployment.svg",
            category="{dataset}",
            subcategory="Figures",
            caption="../report/deployment.rst",
            labels={"what": "Deployment: seconds and megabytes by chain length"},
        ),
        others=expand(
            f"{RESULTS}/{{{{dataset}}}}/figures/deployment.{{kind}}",
            kind=["png", "pdf"],
        ),
        tables=expand(
            f"{RESULTS}/{{{{dataset}}}}/tables/deployment.{{kind}}",
            kind=["csv", "md", "tex"],
        ),
        notebook=f"{RESULTS}/{{dataset}}/report/deployment.ipynb",
    log:
        f"{RESULTS}/{{dataset}}/logs/describe-deployment.log",
    conda:
        ENVIRONMENT
    params:
        results=results_folder,
    message:
        "Describing the deployments of {wildcards.dataset}"
    shell:
        EXECUTE


rule compare_functions:
    input:
        data=dataset_files,
        notebook="notebooks/functions.ipynb",
    output:
        figure=report(
            f"{RESULTS}/{{dataset}}/figures/functions.svg",
            category="{dataset}",
            subcategory="Figures",
            caption="../report/functions.rst",
            labels={"what": "What each function costs, by frame and by byte"},
        ),
        others=expand(
            f"{RESULTS}/{{{{dataset}}}}/figures/functions.{{kind}}",
            kind=["png", "pdf"],
        ),
        tables=expand(
            f"{RESULTS}/{{{{dataset}}}}/tables/functions.{{kind}}",
            kind=["csv", "md", "tex"],
        ),
        notebook=f"{RESULTS}/{{dataset}}/report/functions.ipynb",
    log:
        f"{RESULTS}/{{dataset}}/logs/compare-functions.log",
    conda:
        ENVIRONMENT
    params:
        results=results_folder,
    message:
        "Comparing the functions of {wildcards.dataset}"
    shell:
        EXECUTE


rule name_limits:
    input:
        data=dataset_files,
        notebook="notebooks/limits.ipynb",
    output:
        figures=[
            report(
                f"{RESULTS}/{{dataset}}/figures/{name}.svg",
                category="{dataset}",
                subcategory="Limits",
                caption=f"../report/{name}.rst",
                labels={"what": title},
            )
            for name, title in LIMIT_FIGURES.items()
        ],
        others=expand(
            f"{RESULTS}/{{{{dataset}}}}/figures/{{name}}.{{kind}}",
            name=LIMIT_FIGURES,
            kind=["png", "pdf"],
        ),
        tables=expand(
            f"{RESULTS}/{{{{dataset}}}}/tables/limits.{{kind}}",
            kind=["csv", "md", "tex"],
        ),
        notebook=f"{RESULTS}/{{dataset}}/report/limits.ipynb",
    log:
        f"{RESULTS}/{{dataset}}/logs/name-limits.log",
    conda:
        ENVIRONMENT
    params:
        results=results_folder,
    message:
        "Naming what limited the cells of {wildcards.dataset}"
    shell:
        EXECUTE
