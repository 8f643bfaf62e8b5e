"""Snakemake finds its logger plugins by their package's name; the work is done in :mod:`middlebench.run.progress`."""

from middlebench.run.progress import LogHandler

__all__ = ["LogHandler"]
