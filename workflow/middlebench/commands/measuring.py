"""Verbs that touch a testbed: provision, deploy, measure and control."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from middlebench.commands.arguments import (
    add_chain_length,
    add_controls,
    add_output,
    add_place,
    add_provisioned,
    add_settings,
    add_testbed_folder,
    tell,
)
from middlebench.run.archive import set_aside

if TYPE_CHECKING:
    from middlebench.commands.arguments import Verbs
    from middlebench.config.study import Controls
    from middlebench.model.record import Provision, Settings
    from middlebench.sites.base import Site
    from middlebench.testbed import Testbed

JOB_SECONDS = 1500.0
"""What a job may take beside its traffic: deploying a long chain most of all. A job of a killed run still ends its
trial or its search, and so the next run's first job waits for it: this long, and as much longer as it may take."""


def add(verbs: Verbs) -> None:
    """Add these verbs to the command line."""
    provision = verbs.add_parser("provision", help="look a testbed over and choose where its file says auto")
    provision.add_argument("--testbed", required=True, metavar="NAME", help="name of a file in the testbed folder")
    add_testbed_folder(provision)
    add_output(provision, "the provision record to write")
    provision.set_defaults(verb=_provision)

    deploy = verbs.add_parser("deploy", help="build a chain from nothing and time it")
    add_provisioned(deploy)
    add_chain_length(deploy)
    add_output(deploy, "the deployment record to write")
    deploy.set_defaults(verb=_deploy)

    measure = verbs.add_parser("measure", help="measure one cell, deploying its chain if another one is live")
    add_provisioned(measure)
    add_chain_length(measure)
    measure.add_argument("--frame-size", required=True, type=int, metavar="BYTES", help="frame size without FCS")
    measure.add_argument("--repetition", type=int, default=1, metavar="K", help="number of the repetition (default: 1)")
    add_settings(measure)
    add_controls(measure, required=False)
    add_place(measure)
    measure.add_argument("--raw-output", type=Path, metavar="FILE", help="where to keep what the generator printed")
    add_output(measure, "the cell's record to write")
    measure.set_defaults(verb=_measure)

    control = verbs.add_parser("control", help="measure the instrument itself: no chain, and a bridge alone")
    add_provisioned(control)
    add_settings(control)
    add_controls(control, required=True)
    add_output(control, "where to name the records that were made")
    control.set_defaults(verb=_control)


@dataclass(frozen=True)
class _Stand:
    """A testbed that this job has to itself."""

    site: Site
    testbed: Testbed
    folder: Path
    """Of the testbed's results."""
    session: str
    """The run that this job belongs to."""


def _provision(arguments: argparse.Namespace) -> None:
    from middlebench.config import study as config
    from middlebench.model import record
    from middlebench.model.environment import keep
    from middlebench.system.locks import lease
    from middlebench.testbed import site_of
    from middlebench.trials.provision import provision

    options = config.load_testbed(arguments.testbed, arguments.testbed_folder)
    site, purpose = site_of(arguments.testbed, options), f"provisioning {arguments.testbed}"
    with lease(site.trial_lease, purpose, wait_s=JOB_SECONDS, takes_s=JOB_SECONDS, tell=tell):
        found, environment = provision(arguments.testbed, options, tell)
        keep(environment, arguments.output.parent)
        set_aside(arguments.output, arguments.output.parent)
        record.write(found, arguments.output)


def _deploy(arguments: argparse.Namespace) -> None:
    from middlebench.model import record
    from middlebench.trials.convergence import deploy, plan_for

    with _standing(arguments, f"deploying chain({arguments.chain_length})") as stand:
        deployed = deploy(stand.testbed, plan_for(stand.testbed, arguments.chain_length))
        set_aside(arguments.output, stand.folder)
        record.write(deployed, arguments.output)


def _measure(arguments: argparse.Namespace) -> None:
    from middlebench.model import record
    from middlebench.system.files import write_text
    from middlebench.trials.trial import measure

    settings, controls = arguments.settings, arguments.controls
    traffic_s = settings.longest_s + _longest_controls_s(controls, settings)
    with _standing(arguments, f"measuring n={arguments.chain_length}, {arguments.frame_size} B", traffic_s) as stand:
        if controls:
            _measure_controls(stand, controls, settings, only_if_due=True)
        cell = record.Cell(
            testbed=stand.testbed.name,
            n=arguments.chain_length,
            frame_bytes=arguments.frame_size,
            repetition=arguments.repetition,
        )
        measured, raw = measure(stand.testbed, cell, settings, tell)
        measured = measured.model_copy(update={"place": arguments.place, "session": stand.session})
        set_aside(arguments.output, stand.folder)
        if arguments.raw_output:
            write_text(arguments.raw_output, raw)
        record.write(measured, arguments.output)


def _control(arguments: argparse.Namespace) -> None:
    longest_s = _longest_controls_s(arguments.controls, arguments.settings)
    with _standing(arguments, "measuring controls", longest_s) as stand:
        _measure_controls(stand, arguments.controls, arguments.settings, arguments.output)


def _longest_controls_s(controls: Controls | None, settings: Settings) -> float:
    """Return the most seconds that the traffic of controls takes."""
    from middlebench.model.controls import KINDS

    if controls is None:
        return 0.0
    return len(controls.frame_sizes) * len(KINDS) * (settings.warm_up_s + settings.window_s)


def _measure_controls(
    stand: _Stand, controls: Controls, settings: Settings, output: Path | None = None, *, only_if_due: bool = False
) -> None:
    from middlebench.model import record
    from middlebench.model.controls import ControlLog
    from middlebench.trials.controls import measure_controls, whole_set

    log = ControlLog(stand.folder)
    series = whole_set(stand.testbed, controls.frame_sizes)
    if only_if_due and not (series := log.due(stand.session, controls.every, series)):
        return
    measured = measure_controls(stand.testbed, series, settings, log, stand.session, tell)
    if output:
        set_aside(output, stand.folder)
        record.write(measured, output)


@contextmanager
def _standing(arguments: argparse.Namespace, doing: str, traffic_s: float = 0.0) -> Iterator[_Stand]:
    """Take the lease of a provisioned testbed, and have it stand for as long as the block runs.

    Args:
        arguments: of the command line.
        doing: what for, in words.
        traffic_s: the most seconds that traffic takes in it.
    """
    from middlebench.model import record
    from middlebench.system.locks import lease
    from middlebench.testbed import site_of, stand_up
    from middlebench.trials.controls import session_of
    from middlebench.trials.provision import chosen_testbed

    found = record.read(record.Provision, arguments.provision)
    options = chosen_testbed(found)
    site = site_of(found.testbed, options)
    purpose, takes_s = f"{doing} on {found.testbed}", JOB_SECONDS + traffic_s
    with lease(site.trial_lease, purpose, wait_s=JOB_SECONDS, takes_s=takes_s, tell=tell):
        testbed = _attributed(stand_up(found.testbed, options, tell=tell), found, arguments)
        session = session_of(site.run_lease)
        yield _Stand(site, testbed, arguments.provision.parent, session)


def _attributed(testbed: Testbed, found: Provision, arguments: argparse.Namespace) -> Testbed:
    """Return a testbed that knows its environment, and what takes part in it.

    Both are known from the provision record unless the run has seen that the environment is another one by now.
    """
    from middlebench.model.environment import keep, recall
    from middlebench.run.present import stands_in
    from middlebench.testbed import environment_of, site_of

    folder = arguments.provision.parent
    if arguments.environment is None or stands_in(arguments.environment, recall(found.environment, folder)):
        return dataclasses.replace(testbed, environment=found.environment, known_components=found.components)
    site = site_of(testbed.name, testbed.options)
    identity = keep(environment_of(site, testbed.options), folder)
    return dataclasses.replace(testbed, environment=identity, known_components=testbed.components())
