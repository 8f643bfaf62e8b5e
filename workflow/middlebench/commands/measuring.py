"""Verbs that touch a testbed: provision, deploy, measure and control.

Each takes the path of what it is to make; the study's file says all else. What they do stands in
:mod:`middlebench.commands.testbed_jobs`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from middlebench.commands.arguments import Verbs, add_target, add_verb


def add(verbs: Verbs) -> None:
    """Add these verbs to the command line."""
    provision = add_verb(verbs, "provision", "check a testbed and choose where its file says auto")
    add_target(provision, "the provision record to write, such as results/local/provision.json", _job("provision"))

    deploy = add_verb(verbs, "deploy", "deploy a chain from nothing and time each step")
    add_target(deploy, "the deployment record to write, such as results/local/deployments/n4.json", _job("deploy"))

    measure = add_verb(verbs, "measure", "measure one cell, deploying its chain if another one is live")
    path = "the cell's record to write, such as results/local/cells/n4/size800/rep1.json"
    add_target(measure, path, _job("measure"))

    control = add_verb(verbs, "control", "measure the controls: back to back, and the switch only")
    path = "where to name the records made, such as results/local/controls/closing.json"
    add_target(control, path, _job("control"))


def _job(name: str) -> Callable[[argparse.Namespace], None]:
    def run(arguments: argparse.Namespace) -> None:
        from middlebench.commands import testbed_jobs

        testbed_jobs.JOBS[name](arguments)

    return run
