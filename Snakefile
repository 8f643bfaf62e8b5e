include: "workflow/Snakefile"


from middlebench.run.snakemake_plan import set_default_target

set_default_target(workflow, "all")  # an include keeps the default target to itself
