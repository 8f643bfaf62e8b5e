"""What a user of a stock Debian machine meets: set-up, a sweep with a power cut in its middle, another one as root."""

from __future__ import annotations

import time
from pathlib import Path

from helpers import eventually
from middlebench.model import record_file
from middlebench.model.environment import recall
from middlebench.model.provision import Provision
from middlebench.model.record import Record
from stock_machine import StockMachine

SWEEP = (
    ".venv/bin/snakemake --cores 1 --config 'testbeds=[kernel]' 'chain_lengths=[1,2]' 'frame_sizes=[60,800]'"
    " trial=emulated controls=none results_folder={folder} -- {folder}/kernel/measurements.csv"
)
KERNEL = "sed 's/^switch:/&\\n  datapath: kernel/' config/testbeds/stock.yaml > config/testbeds/kernel.yaml"
"""A testbed of the tests: the paper's ports on the kernel's datapath, with no alternatives to measure."""
FIREWALL = "modprobe br_netfilter && iptables -P FORWARD DROP"
"""What Docker, for one, does to a machine."""
CELLS = 4
ASK_SECONDS = 10.0
"""Between two looks: each is a log-in, which takes an emulated machine seconds."""
SWEEP_SECONDS = 3600.0


def demand_whole(results: Path, *, unprivileged: bool) -> None:
    """Demand that all cells are there, measured over the kernel's datapath, with every packet accounted for."""
    provision = record_file.read(Provision, results / "provision.json")
    assert provision.options["switch"]["datapath"] == "kernel"
    cells = [record_file.read(Record, path) for path in sorted(results.glob("cells/**/rep1.json"))]
    assert len(cells) == CELLS
    for cell in cells:
        assert cell.counts.received_packets > 0
        assert cell.bottleneck.unaccounted_packets == 0
        assert recall(cell.environment, results).unprivileged is unprivileged


def test_services_that_come_with_packages_stay_off(machine: StockMachine):
    said = machine.run("systemctl is-enabled openvswitch-switch; systemctl is-active openvswitch-switch; true")
    assert said.split() == ["disabled", "inactive"]


def test_users_sweep_goes_on_after_a_power_cut_with_finished_cells_as_they_were(machine: StockMachine, tmp_path: Path):
    machine.run(KERNEL)
    machine.run(FIREWALL, "root")
    with machine.start(SWEEP.format(folder="results")):
        finished = "ls results/kernel/cells/*/*/rep1.json 2> /dev/null; true"
        eventually(lambda: time.sleep(ASK_SECONDS) or machine.run(finished), "a cell is there", SWEEP_SECONDS)
        machine.run("sync")
        before = {
            path: path.read_bytes() for path in machine.fetch("results", tmp_path).glob("kernel/cells/**/rep1.json")
        }
        machine.cut_power()
    assert 0 < len(before) < CELLS
    machine.boot()
    machine.run(FIREWALL, "root")
    machine.run(SWEEP.format(folder="results"))
    results = machine.fetch("results", tmp_path)
    assert {path: path.read_bytes() for path in before} == before
    demand_whole(results / "kernel", unprivileged=True)
    machine.run(".venv/bin/middlebench down")
    assert machine.run("for name in qemu-system-x86 ovs-vswitchd trafgen; do pgrep --exact $name || true; done") == ""


def test_root_sweeps_too(machine: StockMachine, tmp_path: Path):
    machine.run(KERNEL)
    machine.run(FIREWALL, "root")
    machine.run(SWEEP.format(folder="results-root"), "root")
    demand_whole(machine.fetch("results-root", tmp_path) / "kernel", unprivileged=False)
    machine.run(".venv/bin/middlebench down", "root")
