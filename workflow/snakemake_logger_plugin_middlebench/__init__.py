"""Snakemake finds its logger plugins by their package's name; the work is done in :mod:`middlebench.progress`."""

from middlebench.progress import LogHandler

__all__ = ["LogHandler"]
