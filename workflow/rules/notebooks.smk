# The notebooks make tables and figures, of measured and of published data alike: a row each, and one rule for every row.
# `beside` is the wildcard of what a dataset is laid beside, if anything: the names of what is made end in it.

NOTEBOOKS = [
    {
        "rule": "plot",
        "message": "Drawing the figures of {wildcards.dataset}",
        "notebook": "figures",
        "figures": {
            "fig1": "Figure 1: what the generator offers",
            "fig2": "Figure 2: the configuration with one middlebox",
            "fig3": "Figure 3: received throughput with one middlebox",
            "fig4": "Figure 4: the configuration with several middleboxes",
            "fig5": "Figure 5: received throughput by chain length",
            "heatmap": "Every cell at a glance",
            "throughput_by_size": "Every chain length by frame size",
        },
    },
    {
        "rule": "tabulate",
        "message": "Writing the tables of {wildcards.dataset}",
        "notebook": "tables",
        "tables": {
            "table1": "Table I: one middlebox",
            "table1_intervals": "Table I with 95 % intervals",
            "table2": "Table II: several middleboxes",
            "table2_intervals": "Table II with 95 % intervals",
        },
    },
    {
        "rule": "compare",
        "message": "Comparing {wildcards.dataset} with {wildcards.reference}",
        "notebook": "comparison",
        "beside": "reference",
        "needs": {
            "reference": lambda wildcards: dataset_files(wildcards, wildcards.reference)
        },
        "figures": {"comparison": "Received throughput over that of {reference}"},
        "tables": {
            "comparison": "Each cell beside that of {reference}",
            "comparison_by_length": "Ratio to {reference} by chain length",
            "comparison_by_size": "Ratio to {reference} by frame size",
        },
    },
    {
        "rule": "judge_claims",
        "message": "Judging the claims of {wildcards.publication} by {wildcards.dataset}",
        "notebook": "claims",
        "beside": "publication",
        "needs": {
            "publication": lambda wildcards: published_files(wildcards.publication),
            "law": f"{RESULTS}/{{dataset}}/law.json",
        },
        "tables": {"claims": "The claims of {publication}, and a verdict on each"},
    },
    {
        "rule": "explain_law",
        "message": "Explaining the law of {wildcards.dataset}",
        "notebook": "law",
        "needs": {"law": f"{RESULTS}/{{dataset}}/law.json"},
        "figures": {
            "law": "The law of the throughput",
            "knee": "How long a chain keeps its rate, by frame size",
            "predictions_map": "Every cell, measured or predicted",
        },
        "tables": {
            "law_parameters": "The parameters of the law",
            "knee": "The knee by frame size",
            "longest_chain": "The longest chain for a wanted throughput",
            "predictions": "Cells that were not measured, as the law predicts them",
            "law_disagreements": "Cells where the law and the counters disagree",
            "hop_processor_time": "Processor time of a hop, measured and by the law",
            "law_left_out": "The error of the law at chains left out of its fit",
            "law_tried": "The laws that were tried",
        },
    },
    {
        "rule": "lay_beside",
        "message": "Laying {wildcards.dataset} beside {wildcards.other}",
        "notebook": "equivalence",
        "beside": "other",
        "needs": {
            "other": lambda wildcards: file_of(OTHERS[wildcards.other]),
            "law": f"{RESULTS}/{{dataset}}/law.json",
        },
        "parameters": lambda wildcards: f"--parameter path {shlex.quote(OTHERS[wildcards.other])}"
        f" --number margin {STUDY.equivalence_margin}",
        "tables": {
            "equivalence": "Each cell beside that of {other}, and whether both are equivalent",
            "laws": "Which parameter of the law differs from that of {other}",
        },
    },
    {
        "rule": "describe_controls",
        "message": "Describing the controls of {wildcards.dataset}",
        "notebook": "controls",
        "parameters": f"--number band {BAND}",
        "figures": {"controls": "Controls: whether the instrument stayed the same"},
        "tables": {"controls": "Every control"},
    },
    {
        "rule": "describe_deployment",
        "message": "Describing the deployments of {wildcards.dataset}",
        "notebook": "deployment",
        "figures": {"deployment": "Deployment: seconds and megabytes by chain length"},
        "tables": {"deployment": "Every deployment"},
    },
    {
        "rule": "compare_functions",
        "message": "Comparing the functions of {wildcards.dataset}",
        "notebook": "functions",
        "figures": {"functions": "What each function costs, by frame and by byte"},
        "tables": {"functions": "The cost of each function"},
    },
    {
        "rule": "compare_topologies",
        "message": "Comparing the topologies of {wildcards.dataset}",
        "notebook": "topologies",
        "figures": {"topologies": "Received rate by how middleboxes are joined"},
        "tables": {"topologies": "How many middleboxes can be run, by topology"},
    },
    {
        "rule": "name_limits",
        "message": "Naming what limited the cells of {wildcards.dataset}",
        "notebook": "limits",
        "figures": {
            "limits": "What limited each cell",
            "losses": "Where packets were dropped along the chain",
        },
        "tables": {"limits": "What limited each cell"},
    },
]


wildcard_constraints:
    other="|".join(OTHERS) or "none",


for row in NOTEBOOKS:
    beside = row.get("beside", "")
    ending = f"_{{{beside}}}" if beside else ""
    made = [
        (folder, kind, stem, title)
        for folder, kinds in (
            ("figures", ["svg", "png", "pdf"]),
            ("tables", ["csv", "md", "tex"]),
        )
        for stem, title in row.get(folder, {}).items()
        for kind in kinds
    ]

    rule:
        name:
            row["rule"]
        input:
            **row.get("needs", {}),
            data=dataset_files,
            notebook=str(place_of(f"notebooks/{row['notebook']}.ipynb")),
        output:
            *[
                report(
                    f"{RESULTS}/{{dataset}}/{folder}/{stem}{ending}.{kind}",
                    category="{dataset}",
                    subcategory=f"{row['notebook'].capitalize()}: {folder}",
                    caption=f"../report/{stem}.rst",
                    labels={"what": title},
                )
                for folder, kind, stem, title in made
                if kind in ("svg", "csv")
            ],
            *[
                f"{RESULTS}/{{dataset}}/{folder}/{stem}{ending}.{kind}"
                for folder, kind, stem, title in made
                if kind not in ("svg", "csv")
            ],
            notebook=f"{RESULTS}/{{dataset}}/report/{row['notebook']}{ending}.ipynb",
        log:
            f"{RESULTS}/{{dataset}}/logs/{row['rule'].replace('_', '-')}{ending}.log",
        localrule: True
        conda:
            "../../envs/environment.yaml"
        params:
            beside=f"--parameter {beside} {{{beside}}}" if beside else "",
            more=row.get("parameters", ""),
        message:
            row["message"]
        shell:
            "middlebench execute {output.notebook:q} {params.beside} {params.more} 2> {log:q}"
