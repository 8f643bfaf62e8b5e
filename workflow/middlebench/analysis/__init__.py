"""From finished records to tables, figures and the report. Knows nothing of hosts or of Snakemake.

Rooms by what is made: ``data``, ``claims``, ``tables``, ``figures``, ``law``, ``report``; each imports only from those
before it. ``data.measurements`` is the one table that everything reads; measured and published cells go through the
same functions.
"""
