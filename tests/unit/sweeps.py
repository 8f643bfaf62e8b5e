"""Sweeps that were never measured: records with chosen counts, for tests of all that is made from records."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean

import pandas as pd
from middlebench.analysis.data.measurements import from_records, write_measurements
from middlebench.analysis.data.summary import write_summary
from middlebench.config.study import Study
from middlebench.diagnosis.bottleneck import bottleneck_of
from middlebench.diagnosis.latency import times_of
from middlebench.model import frames
from middlebench.model.cell import Cell
from middlebench.model.controls import Control
from middlebench.model.deployment import Deployment
from middlebench.model.environment import Computer, Environment, keep
from middlebench.model.latency_result import LatencyTrial
from middlebench.model.mix import bytes_of, is_mix, mix_of, sizes_of
from middlebench.model.plan import Plan
from middlebench.model.provision import Provision
from middlebench.model.record import PROTOCOL, Attestation, Components, Counts, Hop, Record, Settings
from middlebench.model.record_file import write
from middlebench.model.search_result import Search, SearchTrial
from middlebench.model.topologies import plan_of
from middlebench.model.usage import ProcessorUsage, ProcessUsage, Usage
from plan_counts import Passed, hops_of, middleboxes_of

COMPONENTS = Components(switch="a switch", middlebox="a middlebox", generator="a generator")
LINK_BPS = 1e9
UPLINKS = ("eth0", "eth1")
COMPUTER = Computer(
    cpu="a processor",
    microcode="0x1",
    governor="performance",
    cpus=(0, 1),
    processors=4,
    memory_mib=8192,
    hypervisor="",
    system="a distribution",
    kernel="6.1",
    boot_options=(),
    modules={},
    programs={"trafgen": "trafgen 1"},
    images={"unikernel": "0123456789ab"},
    ports={},
)
ENVIRONMENT = Environment(
    site="namespaces",
    emulated=False,
    unprivileged=False,
    link_mbps=1000,
    mtu=1500,
    test_computer=COMPUTER,
    middlebox_server=COMPUTER,
    limits=("no shaper on eth0",),
)
USAGE = Usage(
    traffic_s=0.6,
    test_computer=(ProcessorUsage(cpu=0, busy_s=0.5, softirq_s=0.0, stolen_s=0.0, idle_s=0.0),),
    middlebox_server=(ProcessorUsage(cpu=1, busy_s=0.375, softirq_s=0.1, stolen_s=0.0, idle_s=0.125),),
    generator=(),
    switch=(ProcessUsage(name="switch", cpu_s=0.3, busiest_thread_s=0.2, context_switches=900),),
    middleboxes=(),
)
LENGTHS, SIZES = (1, 2, 4), (60, 800, 1500)
STUDY = Study(
    testbeds=("made",),
    chain_lengths=LENGTHS,
    frame_sizes=SIZES,
    trial="short",
    trials={"short": {"window_s": 1, "warm_up_s": 0}},
)


def number_at(moment: str) -> int:
    """Return the number of a measurement that began then, where the clock ran on."""
    begin = datetime(2026, 1, 2, tzinfo=UTC)
    return round((datetime.fromisoformat(moment) - begin).total_seconds() * 10) + 1


def environment(**server) -> Environment:
    """Return an environment with these changes of its middlebox server."""
    return ENVIRONMENT.model_copy(update={"middlebox_server": COMPUTER.model_copy(update=server)})


def record(
    n=1,
    frame_bytes=800,
    *,
    repetition=1,
    testbed="made",
    offered=None,
    received=20_000,
    flags=(),
    environment=ENVIRONMENT,
    session="a run",
    search=None,
    latency=(),
):
    """Return the record of one cell whose window of half a second counted as told; a link carries so much at most."""
    window_s, sizes = 0.5, sizes_of(frame_bytes)
    line_pps = frames.line_rate_pps(LINK_BPS, mean(sizes))
    line = round(line_pps * window_s)
    offered = min(50_000 if offered is None else offered, line)
    received = min(received, offered)
    counts = Counts(
        window_s=window_s,
        intended_packets=line,
        offered_packets=offered,
        received_packets=received,
        offered_bytes=bytes_of(sizes, offered),
        received_bytes=bytes_of(sizes, received),
        trial_sent_packets=2 * offered,
        trial_received_packets=2 * received,
    )
    plan = plan_of("chain", n, UPLINKS)
    hops, own = hops_with_loss(plan, 2 * offered, 2 * received), tuple(middleboxes_of(plan))
    return Record(
        cell=Cell(testbed=testbed, n=n, frame_bytes=frame_bytes, repetition=repetition),
        mix=mix_of(frame_bytes) if is_mix(frame_bytes) else None,
        started_at=f"2026-01-02T03:0{repetition}:00+00:00",
        protocol=PROTOCOL,
        settings=Settings(window_s=window_s, warm_up_s=0.1, sample_interval_s=0.1, offered_load="maximum"),
        components=COMPONENTS,
        environment=environment.id,
        session=session,
        sequence=number_at(f"2026-01-02T03:0{repetition}:00+00:00"),
        link_bps=LINK_BPS,
        counts=counts,
        samples=(),
        attestation=Attestation(fingerprint="f" * 64, probes_sent=3, probes_returned=3),
        hops=hops,
        middleboxes=own,
        usage=USAGE,
        bottleneck=bottleneck_of(counts, line_pps * window_s, hops, own, USAGE),
        flags=flags,
        search=search,
        latency=latency,
    )


def timed(load_share=0.9, nanoseconds=(50_000, 60_000, 70_000), lost=0, path="chain"):
    """Return a trial in which frames took so long, and so many more were lost."""
    return LatencyTrial(
        path=path,
        load_share=load_share,
        packets_per_second=1000,
        sent_packets=1000,
        lost_packets=lost,
        timed_packets=len(nanoseconds) + lost,
        timed_lost_packets=lost,
        times=times_of(nanoseconds) if nanoseconds else None,
    )


def search(lower_pps=40_000.0, upper_pps=40_100.0, goal="NDR"):
    """Return a throughput search that found these bounds."""
    trial = SearchTrial(
        intended_pps=lower_pps or upper_pps,
        duration_s=1,
        sending_s=1.001,
        intended_packets=40_000,
        offered_packets=40_000,
        forwarded_packets=40_000,
        lost_packets=0,
        warm_up=False,
    )
    return Search(
        goal=goal,
        loss_ratio=0,
        library="MLRsearch 1",
        minimum_pps=100,
        maximum_pps=150_000,
        lower_bound_pps=lower_pps,
        upper_bound_pps=upper_pps,
        conditional_throughput_pps=lower_pps or 0,
        flags=(),
        seconds=30,
        trials=(trial,) * 28,
    )


def control(
    kind="switch-only",
    frame_bytes=60,
    *,
    testbed="made",
    received=100_000,
    started_at="2026-01-02T03:00:00.000+00:00",
    session="a run",
    sequence=None,
    environment=ENVIRONMENT.id,
    usage=None,
):
    """Return the record of one control whose window of half a second counted as told."""
    measured = record(0, frame_bytes, offered=max(received, 200_000), received=received)
    return Control(
        testbed=testbed,
        kind=kind,
        frame_bytes=frame_bytes,
        session=session,
        sequence=number_at(started_at) if sequence is None else sequence,
        started_at=started_at,
        settings=measured.settings,
        components=COMPONENTS,
        environment=environment,
        link_bps=LINK_BPS,
        counts=measured.counts,
        usage=usage,
    )


def costly(**usage):
    """Return the record of a chain of two in which all sides say what they used, but for what is told.

    Its server has three processors.
    """

    def process(name: str, seconds: float, switches: int) -> ProcessUsage:
        return ProcessUsage(
            name=name, cpu_s=seconds, busiest_thread_s=seconds, context_switches=switches, io_calls=2 * switches
        )

    used = {
        "switch": (process("switch", 0.3, 900),),
        "middleboxes": (process("vm", 0.8, 2100),),
        "links": (process("links", 0.12, 50),),
        "middlebox_server": USAGE.middlebox_server * 3,
    }
    return record(2).model_copy(update={"usage": USAGE.model_copy(update={**used, **usage})})


def hops_with_loss(plan: Plan, sent: int, received: int) -> tuple[Hop, ...]:
    """Return what the bridges of a chain count when three quarters of the loss is at bridge 0, the rest at the last."""
    passed, last = sent - (sent - received) * 3 // 4, len(plan.bridges) - 1
    entered = [sent, *[passed] * last]
    left = [*[passed] * last, received]
    return tuple(hops_of(plan, [Passed(rx, tx, tx, tx) for rx, tx in zip(entered, left, strict=True)]))


def records(lengths=LENGTHS, sizes=SIZES, repetitions=1, testbed="made", environment=ENVIRONMENT):
    """Return records of a whole grid, in which longer chains pass on less."""
    return [
        record(n, size, repetition=repetition, testbed=testbed, received=40_000 // (n + 1), environment=environment)
        for n in lengths
        for size in sizes
        for repetition in range(1, repetitions + 1)
    ]


def sweep(**grid) -> pd.DataFrame:
    """Return the measurements of :func:`records`."""
    return from_records(records(**grid))


def write_results(results: Path, testbed="made", environments=(ENVIRONMENT,), cells=None, **grid) -> None:
    """Write all that a sweep leaves in the results folder of its testbed: of the cells given, else of a grid.

    A grid's cells are measured in the first of the environments.
    """
    folder = results / testbed
    for each in environments:
        keep(each, folder)
    grid = {"environment": environments[0], **grid}
    listed = cells or records(testbed=testbed, **grid)
    for each in listed:
        write(each, folder / each.cell.path)
        (folder / each.cell.raw_path).write_text("what the generator said\n")
    for n in {each.cell.n for each in listed}:
        write(deployment(n, testbed), folder / f"deployments/n{n}.json")
    provision = Provision(
        testbed=testbed,
        description="A testbed that is not there.",
        options={},
        components=COMPONENTS,
        choices=({"switch": {"port_type": "system"}, "kpps": 212.5},),
        environment=environments[0].id,
    )
    write(provision, folder / "provision.json")
    measurements = from_records(listed, folder, "snakemake --cores 1 --force --")
    write_measurements(measurements, folder / "measurements.csv")
    write_summary(measurements, folder / "summary.csv")


def deployment(n: int, testbed: str) -> Deployment:
    """Return the deployment of one chain between eth0 and eth1."""
    return Deployment(
        testbed=testbed,
        started_at="2026-01-02T03:00:00+00:00",
        plan=asdict(plan_of("chain", n, UPLINKS)),
        components=COMPONENTS,
        environment=ENVIRONMENT.id,
        fingerprint="f" * 64,
        steps_s={"middleboxes": 0.25, "switch": 0.5},
        total_s=0.75,
        removing_s=1.5,
        middleboxes=tuple(
            {"name": f"mb {index}", "ready_s": 0.125, "resident_kib": None, "private_kib": None} for index in range(n)
        ),
    )
