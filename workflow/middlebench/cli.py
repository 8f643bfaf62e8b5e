"""The command line: one verb a rule, and what is useful without Snakemake.

Imports stand inside the verbs: a cell's job should not wait for pandas.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from middlebench.control_log import CONTROL_BAND
from middlebench.errors import MiddlebenchError, RecordError

if TYPE_CHECKING:
    from middlebench.record import Components, Provision, Record, Settings
    from middlebench.testbed import Testbed

NONE = "none"
"""Stands for a value that is not given, where a rule always gives one."""
TRIAL_LEASE_SECONDS = 1500.0
"""How long a job waits for a job of a killed run that still ends its trial, or its search of up to 20 minutes."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status: 0, or the one of the error's kind."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.verb(arguments)
    except MiddlebenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        print(
            f"error: {error.filename or 'a file'}: {error.strerror}; run the same command again once that is mended",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("interrupted; finished cells are safe, run the same command again to go on", file=sys.stderr)
        return 130
    return 0


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _provision(arguments: argparse.Namespace) -> None:
    from middlebench import config, record
    from middlebench.environment import keep
    from middlebench.lease import lease
    from middlebench.provision import provision
    from middlebench.testbed import site_of

    options = config.load_testbed(arguments.testbed, arguments.testbed_folder)
    with lease(
        site_of(arguments.testbed, options).trial_lease,
        f"provisioning {arguments.testbed}",
        wait_s=TRIAL_LEASE_SECONDS,
        tell=_tell,
    ):
        found, environment = provision(arguments.testbed, options, _tell)
        keep(environment, arguments.output.parent)
        record.write(found, arguments.output)


def _deploy(arguments: argparse.Namespace) -> None:
    from middlebench import record
    from middlebench.convergence import deploy, plan_for
    from middlebench.lease import lease
    from middlebench.provision import chosen_testbed
    from middlebench.testbed import site_of, stand_up

    found = record.read(record.Provision, arguments.provision)
    options = chosen_testbed(found)
    purpose = f"deploying chain({arguments.chain_length}) on {found.testbed}"
    with lease(site_of(found.testbed, options).trial_lease, purpose, wait_s=TRIAL_LEASE_SECONDS, tell=_tell):
        testbed, _ = _attributed(stand_up(found.testbed, options), found, arguments)
        record.write(deploy(testbed, plan_for(testbed, arguments.chain_length)), arguments.output)


def _measure(arguments: argparse.Namespace) -> None:
    from middlebench import config, record
    from middlebench.atomic import write_text
    from middlebench.control_log import ControlLog
    from middlebench.controls import measure_controls, session_of
    from middlebench.lease import lease
    from middlebench.provision import chosen_testbed
    from middlebench.superseded import set_aside
    from middlebench.testbed import site_of, stand_up
    from middlebench.trial import measure

    found = record.read(record.Provision, arguments.provision)
    options = chosen_testbed(found)
    cell = record.Cell(
        testbed=found.testbed,
        n=arguments.chain_length,
        frame_bytes=arguments.frame_size,
        repetition=arguments.repetition,
    )
    settings = record.Settings.model_validate(json.loads(arguments.settings))
    purpose = f"measuring n={cell.n}, {cell.frame_bytes} B on {cell.testbed}"
    site = site_of(found.testbed, options)
    with lease(site.trial_lease, purpose, wait_s=TRIAL_LEASE_SECONDS, tell=_tell):
        testbed, components = _attributed(stand_up(cell.testbed, options), found, arguments)
        if arguments.controls != NONE:
            controls = config.Controls.model_validate_json(arguments.controls)
            log, session = ControlLog(arguments.provision.parent), session_of(site.run_lease)
            if log.due(session, controls.every):
                measure_controls(testbed, components, controls.frame_sizes, settings, log, session, _tell)
        measured, raw = measure(testbed, components, cell, settings, _tell)
        if arguments.place != NONE:
            measured = measured.model_copy(update={"place": record.Place.model_validate_json(arguments.place)})
        set_aside(arguments.output, arguments.provision.parent)
        if arguments.raw_output:
            write_text(arguments.raw_output, raw)
        record.write(measured, arguments.output)


def _attributed(testbed: Testbed, found: Provision, arguments: argparse.Namespace) -> tuple[Testbed, Components]:
    """Return a testbed that knows its environment, and what takes part in it.

    Both are known from the provision record unless the run has seen that the environment is another one by now.
    """
    from middlebench.environment import keep, recall
    from middlebench.present import stands_in
    from middlebench.testbed import environment_of, site_of

    folder = arguments.provision.parent
    if arguments.environment is None or stands_in(arguments.environment, recall(found.environment, folder)):
        return dataclasses.replace(testbed, environment=found.environment), found.components
    site = site_of(testbed.name, testbed.options)
    site.open()
    identity = keep(environment_of(site, testbed.options), folder)
    return dataclasses.replace(testbed, environment=identity), testbed.components()


def _control(arguments: argparse.Namespace) -> None:
    from middlebench import config, record
    from middlebench.control_log import ControlLog
    from middlebench.controls import measure_controls, session_of
    from middlebench.lease import lease
    from middlebench.provision import chosen_testbed
    from middlebench.testbed import site_of, stand_up

    found = record.read(record.Provision, arguments.provision)
    options = chosen_testbed(found)
    site = site_of(found.testbed, options)
    settings = record.Settings.model_validate_json(arguments.settings)
    sizes = config.Controls.model_validate_json(arguments.controls).frame_sizes
    purpose = f"measuring controls on {found.testbed}"
    with lease(site.trial_lease, purpose, wait_s=TRIAL_LEASE_SECONDS, tell=_tell):
        testbed, components = _attributed(stand_up(found.testbed, options), found, arguments)
        log, session = ControlLog(arguments.provision.parent), session_of(site.run_lease)
        measured = measure_controls(testbed, components, sizes, settings, log, session, _tell)
        record.write(measured, arguments.output)


def _cells_of(grid: dict[str, Any], blocks: int = 0) -> list[tuple[int, int, int]]:
    """Return the cells of a grid, with as many blocks more."""
    repetitions = range(1, grid["repetitions"] + blocks + 1)
    return list(itertools.product(grid["chain_lengths"], grid["frame_sizes"], repetitions))


def _allocate(arguments: argparse.Namespace) -> None:
    from middlebench import record
    from middlebench.analysis.allocation import extra_cells
    from middlebench.analysis.measurements import from_records, record_path
    from middlebench.atomic import write_text

    grid = json.loads(arguments.grid)
    planned = {record_path(*cell) for cell in _cells_of(grid)}
    paths = [record_path(*cell) for cell in _cells_of(grid, arguments.budget)]
    there = [path for path in paths if path in planned or (arguments.folder / path).exists()]
    measurements = from_records(
        (record.read(record.Record, arguments.folder / path) for path in there), arguments.folder
    )
    cells = extra_cells(measurements, grid["repetitions"], arguments.budget)
    write_text(arguments.output, json.dumps({"cells": cells}) + "\n")


def _aggregate(arguments: argparse.Namespace) -> None:
    from middlebench import record
    from middlebench.analysis.aggregate import write_summary
    from middlebench.analysis.drift import marked
    from middlebench.analysis.measurements import from_records, record_path, write_measurements
    from middlebench.control_log import ControlLog

    cells = _cells_of(json.loads(arguments.grid))
    cells += [cell for file in arguments.extra for cell in json.loads(file.read_text())["cells"]]
    paths = [arguments.folder / record_path(*cell) for cell in cells]
    read = [record.read(record.Record, path) for path in paths]
    if arguments.settings:
        wanted = record.Settings.model_validate(json.loads(arguments.settings))
        _demand_settings(wanted, dict(zip(paths, read, strict=True)), arguments.command)
    measured = from_records(read, arguments.folder, arguments.command)
    measurements = marked(measured, ControlLog(arguments.folder).controls(), arguments.band)
    write_measurements(measurements, arguments.output)
    if arguments.summary:
        write_summary(measurements, arguments.summary)


def _demand_settings(wanted: Settings, records: Mapping[Path, Record], command: str) -> None:
    """Refuse records that were measured in another way.

    Snakemake takes a record for a current one when measuring it again failed: it puts the old one back.
    """
    if others := [str(path) for path, found in records.items() if found.settings != wanted]:
        raise RecordError(
            f"gathering the records of {len(records)} cells",
            f"{len(others)} were measured with other settings than the config's, the first one is {others[0]}",
            f"measure them again: {command} {' '.join(others[:3])}" + (" …" if len(others) > 3 else ""),
        )


def _report(arguments: argparse.Namespace) -> None:
    from middlebench.analysis.dataset import load_dataset
    from middlebench.analysis.report import render_report

    render_report(load_dataset(arguments.dataset, arguments.results), arguments.notebooks, arguments.output)


def _crate(arguments: argparse.Namespace) -> None:
    from middlebench.analysis.dataset import load_dataset
    from middlebench.crate import write_crate

    dataset = load_dataset(arguments.testbed, arguments.results)
    write_crate(dataset, arguments.results / arguments.testbed, arguments.inputs, arguments.study)


def _pack(arguments: argparse.Namespace) -> None:
    from middlebench.crate import pack

    pack(arguments.folder, arguments.output)


def _down(arguments: argparse.Namespace) -> None:
    from middlebench import config
    from middlebench.testbed import site_of

    names = arguments.testbeds or sorted(path.stem for path in arguments.testbed_folder.glob("*.yaml"))
    failures = []
    for name in names:
        try:
            site = site_of(name, config.load_testbed(name, arguments.testbed_folder))
            if not arguments.testbeds and not site.trial_lease.exists():
                _tell(f"{name}: not used since this machine started (`middlebench down {name}` looks all the same)")
                continue
            removed = site.close()
        except MiddlebenchError as error:  # the others are taken down all the same
            failures.append(error)
            _tell(f"{name}: {error}")
        else:
            _tell(f"{name}: {'taken down' if removed else 'nothing of ours is there'}")
    if failures:
        raise failures[0]


def _set_aside(arguments: argparse.Namespace) -> None:
    from middlebench import config
    from middlebench.again import set_flagged_aside
    from middlebench.lease import lease
    from middlebench.testbed import site_of

    names = arguments.testbeds or sorted(path.parent.name for path in arguments.results.glob("*/cells"))
    for name in names:
        site = site_of(name, config.load_testbed(name, arguments.testbed_folder))
        with lease(site.run_lease, f"setting cells of {name} aside"):
            moved = set_flagged_aside(arguments.results / name, arguments.flag, _tell)
        _tell(f"{name}: {len(moved)} cells set aside; `snakemake --cores 1 -- all` measures them again")


def _schema(arguments: argparse.Namespace) -> None:
    from middlebench import documentation

    documentation.write(arguments.folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="middlebench",
        description="Measure chains of virtual middleboxes. The whole study is `snakemake --cores 1 all`; "
        "these are its steps, one by one.",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    provision = verbs.add_parser("provision", help="look a testbed over and choose where its file says auto")
    provision.add_argument("--testbed", required=True, metavar="NAME", help="name of a file in the testbed folder")
    _testbed_folder(provision)
    _output(provision, "the provision record to write")
    provision.set_defaults(verb=_provision)

    deploy = verbs.add_parser("deploy", help="build a chain from nothing and time it")
    _provision_record(deploy)
    _environment(deploy)
    _chain_length(deploy)
    _output(deploy, "the deployment record to write")
    deploy.set_defaults(verb=_deploy)

    measure = verbs.add_parser("measure", help="measure one cell, deploying its chain if another one is live")
    _provision_record(measure)
    _environment(measure)
    _chain_length(measure)
    measure.add_argument("--frame-size", required=True, type=int, metavar="BYTES", help="frame size without FCS")
    measure.add_argument("--repetition", type=int, default=1, metavar="K", help="number of the repetition (default: 1)")
    _settings(measure)
    _controls(measure, required=False)
    measure.add_argument(
        "--place",
        default=NONE,
        metavar="JSON",
        help='in the order of the run, such as {"seed": 1, "block": 1, "position": 17}',
    )
    measure.add_argument("--raw-output", type=Path, metavar="FILE", help="where to keep what the generator printed")
    _output(measure, "the cell's record to write")
    measure.set_defaults(verb=_measure)

    control = verbs.add_parser("control", help="measure the instrument itself: no chain, and a bridge alone")
    _provision_record(control)
    _environment(control)
    _settings(control)
    _controls(control, required=True)
    _output(control, "where to name the records that were made")
    control.set_defaults(verb=_control)

    allocate = verbs.add_parser("allocate", help="give extra repetitions to the cells that are known least")
    allocate.add_argument("--folder", required=True, type=Path, metavar="FOLDER", help="the testbed's results")
    _grid(allocate)
    allocate.add_argument("--budget", required=True, type=int, metavar="K", help="extra repetitions in all")
    _output(allocate, "the list of extra cells to write")
    allocate.set_defaults(verb=_allocate)

    aggregate = verbs.add_parser("aggregate", help="gather the records of a testbed in one table")
    aggregate.add_argument("--folder", required=True, type=Path, metavar="FOLDER", help="the testbed's results")
    _grid(aggregate)
    aggregate.add_argument(
        "--band",
        type=float,
        default=CONTROL_BAND,
        metavar="SHARE",
        help="how far a control may lie from the median of its kind, over that (default: %(default)s)",
    )
    aggregate.add_argument(
        "--extra", nargs="*", type=Path, default=[], metavar="FILE", help="the extra repetitions that were given away"
    )
    aggregate.add_argument("--settings", metavar="JSON", help="what every record must have been measured with")
    aggregate.add_argument("--summary", type=Path, metavar="FILE", help="where to write the means over repetitions")
    aggregate.add_argument(
        "--command", default="", metavar="TEXT", help="what measures a cell again, up to the path of its record"
    )
    _output(aggregate, "the table to write, as CSV")
    aggregate.set_defaults(verb=_aggregate)

    _publishing(verbs)

    _add_verbs_beside_the_workflow(verbs)
    return parser


def _add_verbs_beside_the_workflow(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    down = verbs.add_parser("down", help="remove all that is ours from testbeds, whatever state they are in")
    down.add_argument("testbeds", nargs="*", metavar="TESTBED", help="(default: all that were used)")
    _testbed_folder(down)
    down.set_defaults(verb=_down)

    aside = verbs.add_parser("set-aside", help="move cells that carry a flag, so that the next run measures them again")
    aside.add_argument("testbeds", nargs="*", metavar="TESTBED", help="(default: all that have cells)")
    aside.add_argument("--flag", default="drift", metavar="FLAG", help="(default: drift)")
    aside.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER", help="(default: results)")
    _testbed_folder(aside)
    aside.set_defaults(verb=_set_aside)

    schema = verbs.add_parser("schema", help="write the config's JSON schema and its documentation")
    schema.add_argument(
        "--folder", type=Path, default=Path(), metavar="FOLDER", help="the project's folder (default: .)"
    )
    schema.set_defaults(verb=_schema)


def _publishing(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verbs that come after the table."""
    report = verbs.add_parser("report", help="render executed notebooks as one self-contained page")
    report.add_argument("--dataset", required=True, metavar="NAME", help="a testbed, or `published`")
    report.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER", help="(default: results)")
    report.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK", help="executed notebooks, in order")
    _output(report, "the page to write")
    report.set_defaults(verb=_report)

    crate = verbs.add_parser("crate", help="describe the results of a testbed as an RO-Crate")
    crate.add_argument("--testbed", required=True, metavar="NAME", help="the testbed")
    crate.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER", help="(default: results)")
    crate.add_argument("--study", required=True, metavar="JSON", help="the study as it ran")
    crate.add_argument(
        "inputs", nargs="*", type=Path, metavar="FILE", help="what the results were made from, to be copied to them"
    )
    crate.set_defaults(verb=_crate)

    pack = verbs.add_parser("pack", help="write an RO-Crate as one file")
    pack.add_argument("--folder", required=True, type=Path, metavar="FOLDER", help="the crate")
    _output(pack, "the zip file to write")
    pack.set_defaults(verb=_pack)


def _testbed_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--testbed-folder",
        type=Path,
        default=Path(os.environ.get("MIDDLEBENCH_TESTBEDS", "config/testbeds")),
        metavar="FOLDER",
        help="where testbeds are composed (default: config/testbeds)",
    )


def _provision_record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--provision", required=True, type=Path, metavar="FILE", help="the testbed's provision record")


def _settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--settings",
        required=True,
        metavar="JSON",
        help='such as {"window_s": 1, "warm_up_s": 1, "sample_s": 1, "offered_load": "maximum"}',
    )


def _controls(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--controls",
        required=required,
        default=NONE,
        metavar="JSON",
        help='when and with which frames the instrument is measured, such as {"every": 48, "frame_sizes": [60]}; '
        "the records lie beside the provision record, in the folder `controls`",
    )


def _environment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--environment",
        type=Path,
        metavar="FILE",
        help="what the run saw of the environment when it began (default: that it is the provision record's still)",
    )


def _grid(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--grid",
        required=True,
        metavar="JSON",
        help='such as {"chain_lengths": [1, 2], "frame_sizes": [60], "repetitions": 1}',
    )


def _chain_length(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--chain-length", required=True, type=int, metavar="N", help="number of middleboxes; 0: a bridge alone"
    )


def _output(parser: argparse.ArgumentParser, help_: str) -> None:
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help=help_)
