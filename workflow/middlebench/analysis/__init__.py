"""From finished records to tables, figures and the report. Knows nothing of hosts or of Snakemake.

``measurements`` is the one table that everything here reads; measured and published cells go
through the same functions.
"""
