"""Runs on each of the two computers, or in our own process: tells what of a computer a measurement depends on.

Standard library only: it is handed to the host's own ``python3`` as text, in front of that of ``computer_agent``.
"""

import hashlib
import os
import platform
import subprocess
from typing import Any

SYS = "/sys"

BOOT_OPTIONS = (
    *("mitigations=", "spectre", "spec_", "nopti", "pti=", "nosmt", "maxcpus=", "nr_cpus=", "isolcpus=", "nohz"),
    *("rcu_nocbs", "preempt=", "idle=", "intel_idle.", "processor.", "cpuidle", "intel_pstate=", "amd_pstate="),
    *("cpufreq.", "clocksource=", "tsc=", "hugepages", "default_hugepagesz", "transparent_hugepage", "iommu"),
    *("intel_iommu", "amd_iommu", "xen_nopv", "irqaffinity="),
)
"""What of the kernel's command line sets its speed; the rest (disks, consoles) is nobody's business."""

MEMORY_STEP_MIB = 256
"""From one boot to the next the kernel keeps some memory more or less for itself."""


def run(*argv: str) -> tuple[int, str]:
    """Run a program; return its status and what it printed."""
    try:
        done = subprocess.run(argv, check=False, capture_output=True, text=True, encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return 127, f"there is no program {argv[0]}"
    return done.returncode, (done.stdout + done.stderr).strip()


def read(path: str, otherwise: str = "") -> str:
    """Return a file's text, or ``otherwise`` where it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return otherwise


def describe(
    versions: list[list[str]], modules: list[str], images: dict[str, str], ports: list[str], cpus: list[int]
) -> dict[str, Any]:
    """Return what of this computer a measurement depends on.

    Args:
        versions: commands that say their program's version in their first line.
        modules: kernel modules with versions of their own.
        images: files that middleboxes boot from, and programs that do not tell their version, by what they are
            called; those that are not there are left out.
        ports: the measured ports.
        cpus: processors that our programs are kept to; empty: all.
    """
    started = [(argv[0], start(argv)) for argv in versions]  # side by side: QEMU takes 50 ms to say its version
    cpuinfo: dict[str, str] = {}
    for name, colon, value in (line.partition(":") for line in read("/proc/cpuinfo").splitlines()):
        cpuinfo.setdefault(name.strip(), value.strip() if colon else "")
    release: dict[str, str] = dict(line.split("=", 1) for line in read("/etc/os-release").splitlines() if "=" in line)
    processors = os.cpu_count() or 1
    governors = {read(f"/sys/devices/system/cpu/cpu{number}/cpufreq/scaling_governor") for number in range(processors)}
    hypervisor = read("/sys/hypervisor/type")
    xen = xen_facts() if hypervisor == "xen" else {}
    # Xen's dom0 may give of its own memory to each domain that starts: there it is all that Xen has.
    memory_mib = int(xen.get("total_memory") or int(read("/proc/meminfo").split()[1]) // 1024)
    return {
        "cpu": cpuinfo.get("model name", platform.machine()),
        "microcode": cpuinfo.get("microcode", ""),
        "governor": ", ".join(sorted(governors - {""})),
        "cpus": cpus or sorted(os.sched_getaffinity(0)),
        "processors": processors,
        "memory_mib": round(memory_mib / MEMORY_STEP_MIB) * MEMORY_STEP_MIB,
        "hypervisor": hypervisor,
        "hypervisor_cores": cores(xen),
        "system": release.get("PRETTY_NAME", "").strip('"'),
        "kernel": platform.release(),
        "boot_options": [word for word in read("/proc/cmdline").split() if word.startswith(BOOT_OPTIONS)],
        "modules": {name: version for name in modules if (version := module_version(name))},
        "images": {name: digest(found) for name, path in images.items() if (found := locate(path))},
        "ports": {port: {**port_facts(port), **(netmap_facts(port) if "netmap" in modules else {})} for port in ports},
        "programs": {name: said for name, process in started if (said := first_line(process))},
    }


def start(argv: list[str]) -> "subprocess.Popen[str] | None":
    """Start a program that says its version; None where there is no such program."""
    try:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(argv, **streams, text=True, encoding="utf-8", errors="replace")
    except OSError:
        return None


def first_line(process: "subprocess.Popen[str] | None") -> str:
    """Return the first line of what a program says."""
    said = process.communicate()[0].strip() if process is not None else ""
    return said.splitlines()[0] if said else ""


def module_version(name: str) -> str:
    """Return a kernel module's version, loaded or not; of a loaded one without a version what it was built from."""
    status, said = run("modinfo", "--field", "version", name)
    return read(f"/sys/module/{name}/version") or (said if status == 0 else "") or build_of(f"{SYS}/module/{name}")


def locate(path: str) -> str:
    """Return the path of a file, or of a program that is given by its name; nothing where it is not there."""
    folders = [""] if os.sep in path else os.get_exec_path()
    return next((found for folder in folders if os.path.isfile(found := os.path.join(folder, path))), "")


def build_of(module: str) -> str:
    """Return the build id of a loaded module, given its folder below /sys; nothing where it has none.

    The linker makes it from the module's content (ld, --build-id); the note ends with it.
    """
    try:
        with open(f"{module}/notes/.note.gnu.build-id", "rb") as file:
            return file.read()[-20:].hex()[:12]
    except OSError:
        return ""


def netmap_facts(port: str) -> dict[str, str]:
    """Return by which driver netmap has a port, and in which mode; nothing where it is not loaded.

    A driver that knows netmap calls the netmap module, which the kernel then notes as held by it. Every other one is
    emulated, and with the parameter admode at 2 each of them is.
    """
    if not os.path.isdir(f"{SYS}/module/netmap"):
        return {}
    driver = os.path.realpath(f"{SYS}/class/net/{port}/device/driver/module")
    knows_netmap = os.path.exists(f"{SYS}/module/netmap/holders/{os.path.basename(driver)}")
    native = knows_netmap and read(f"{SYS}/module/netmap/parameters/admode") != "2"
    return {"driver build": build_of(driver), "netmap": "native" if native else "emulated"}


def xen_facts() -> dict[str, str]:
    """Return what Xen says of its machine; nothing where this domain may not ask."""
    status, said = run("xl", "info")
    if status != 0:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in said.splitlines())}


def cores(xen: dict[str, str]) -> "int | None":
    """Return how many cores Xen deals out; None where that is not known."""
    if not {"nr_cpus", "threads_per_core"} <= xen.keys():
        return None
    return int(xen["nr_cpus"]) // int(xen["threads_per_core"])


def digest(path: str) -> str:
    """Return the first 12 digits of the SHA-256 of a file."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            found.update(part)
    return found.hexdigest()[:12]


def port_facts(port: str) -> dict[str, str]:
    """Return what a port is, whatever it is set to."""
    said = run("ethtool", "-i", port)[1]
    found: dict[str, str] = dict(line.split(": ", 1) for line in said.splitlines() if ": " in line)
    names = {"driver": "driver", "driver version": "version", "firmware": "firmware-version", "bus": "bus-info"}
    return {name: found.get(key, "") for name, key in names.items()}
