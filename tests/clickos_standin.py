#!/usr/bin/env -S python3 -I -S
"""A stand-in for a Xen server with ClickOS guests: ``xl``, ``cosmos`` and the xenstore tools, by the name it is called.

It keeps domains, keys and consoles in the folder that ``STANDIN`` names, and behaves as real ClickOS
guests were seen to: a guest boots for a while and then makes its key; a router that was asked for
before is never seen; a bad configuration is told on the console only; ``cosmos`` exits 0 whatever
happens, and never returns from reading an element that does not exist. ``behaviour.json`` there says what goes wrong.
"""

import fcntl
import json
import os
import re
import signal
import sys
import time
import uuid
from pathlib import Path

FOLDER = Path(os.environ["STANDIN"])
HEADING = "Name                                ID   Mem VCPUs\tState\tTime(s)   UUID   Reason-Code\tSecurity Label"

CLASSES = ("FromDevice", "ToDevice", "Counter")
ELEMENT = re.compile(r"(?:(?P<name>\w+)\s*::\s*)?(?P<kind>[A-Z]\w*)\s*\(.*?\)")
CRASH = (
    """(XEN) d{id}v0 Unhandled page fault fault/trap [#14, ec=0002]
(XEN) Domain {id} (vcpu#0) crashed on cpu#0:
(XEN) ----[ Xen-4.17.7  x86_64  debug=n  Not tainted ]----
(XEN) CPU:    0
(XEN) RIP:    e033:[<000000000000b0b0>]
(XEN) RFLAGS: 0000000000000246   EM: 0   CONTEXT: pv guest (d{id}v0)
(XEN) Guest stack trace from rsp=00000000000fffd8:
"""
    + 8 * "(XEN)    0000000000000000 0000000000000000 0000000000000000 0000000000000000\n"
)


def elements_of(configuration):
    """Names of a configuration's elements; Click calls the n-th one of all CLASS@n where it has no name."""
    found = ELEMENT.finditer(re.sub(r"//[^\n]*", "", configuration))
    return [each["name"] or f"{each['kind']}@{number}" for number, each in enumerate(found, start=1)]


class Server:
    """What the stand-in remembers between two calls."""

    def __init__(self):
        self.file = FOLDER / "state.json"
        known = json.loads(self.file.read_text()) if self.file.exists() else {"next": 1, "domains": {}, "keys": {}}
        self.next, self.domains, self.keys = known["next"], known["domains"], known["keys"]
        self.behaviour = json.loads((FOLDER / "behaviour.json").read_text())
        for number, domain in self.domains.items():
            self.advance(number, domain)

    def save(self):
        self.file.write_text(json.dumps({"next": self.next, "domains": self.domains, "keys": self.keys}))

    def say(self, domain, text):
        with (FOLDER / f"guest-{domain['name']}.log").open("a") as console:
            console.write(text)

    def advance(self, number, domain):
        """Let a guest do what it does by itself."""
        if domain["booted"] or domain["crashed"] or time.time() < domain["created"] + self.behaviour.get("boot_s", 0.0):
            return
        if self.behaviour.get("crash"):
            domain["crashed"] = True
            return
        domain["booted"] = True
        self.keys[f"/local/domain/{number}/{self.behaviour.get('path', 'data/clickos')}"] = ""
        self.say(domain, '"main"\n')

    def write(self, path, value):
        """A key is written; a guest that has booted acts on the status of a router."""
        self.keys[path] = value
        parts = path.split("/")
        domain = self.domains.get(parts[3]) if len(parts) > 3 else None
        expected = f"/local/domain/{parts[3]}/{self.behaviour.get('path', 'data/clickos')}/0/status"
        asked = path == expected and value == "Running"
        if domain is None or not asked or not domain["booted"] or self.behaviour.get("deaf"):
            return
        base = path.removesuffix("/status")
        chunks = [self.keys[f"{base}/config/{n}"] for n in range(100) if f"{base}/config/{n}" in self.keys]
        self.say(domain, "[on_status:217] router id 0\n[on_status:218] status change to Running\n")
        text = re.sub(r"//[^\n]*", "", "".join(chunks))
        if unknown := set(re.findall(r"\b[A-Z]\w*", text)) - set(CLASSES):
            self.say(domain, f"config:1: undeclared element '{unknown.pop()}'\n")
            self.say(domain, "Router could not be initialized!\nRouter init failed!\n")
            return
        domain["elements"] = elements_of("".join(chunks))
        for port in range(domain["ports"]):
            self.keys[f"/local/domain/{parts[3]}/device/vif/{port}/state"] = "4"
            self.keys[f"/local/domain/0/backend/vif/{parts[3]}/{port}/state"] = "4"
        self.say(domain, "NETFRONT for device/vif/0\n[router_thread:158] Starting driver...\n")

    def create(self, config):
        values = dict(line.split(" = ", 1) for line in Path(config).read_text(encoding="utf-8").splitlines())
        name, vifs = json.loads(values["name"]), json.loads(values["vif"])
        print(f"Parsing config from {config}")
        if any(domain["name"] == name for domain in self.domains.values()):
            sys.exit(f'libxl: error: Domain with name "{name}" already exists.')
        if self.behaviour.get("create_fails"):
            self.save()
            sys.exit(self.behaviour["create_fails"])
        number, self.next = self.next, self.next + 1
        state = {"booted": False, "crashed": False, "dying": 0, "elements": []}
        self.domains[str(number)] = {"name": name, "created": time.time(), "ports": len(vifs), **state}
        for port in range(len(vifs)):
            self.keys[f"/local/domain/{number}/device/vif/{port}/state"] = "1"
            self.keys[f"/local/domain/0/backend/vif/{number}/{port}/state"] = "2"

    def destroy(self, number):
        """The domain is dying for as many looks at the list as the behaviour says."""
        if number not in self.domains:
            sys.exit(f"{number} is an invalid domain identifier (rc=-6)")
        self.domains[number]["dying"] = 1 + self.behaviour.get("dying_looks", 0)
        self.keys = {
            path: value
            for path, value in self.keys.items()
            if not path.startswith((f"/local/domain/{number}/", f"/local/domain/0/backend/vif/{number}/"))
        }

    def list(self):
        if "list_text" in self.behaviour:
            print(self.behaviour["list_text"])
            return
        print(HEADING)
        used_s = self.behaviour.get("used_s", {})
        print(row("Domain-0", 0, "r-----", used_s.get("Domain-0", 0.5)))
        for number, domain in list(self.domains.items()):
            if domain["dying"]:
                domain["dying"] -= 1
                if not domain["dying"]:
                    del self.domains[number]
                    continue
            name = "(null)" if domain["dying"] else domain["name"]
            state = "--p--d" if domain["dying"] else "---sc-" if domain["crashed"] else "r-----"
            print(row(name, int(number), state, used_s.get(name, 0.5)))


def row(name, number, state, used_s):
    """A domain as ``xl list -v`` prints it."""
    return f"{name:<40} {number:5d} {100:5d} {1:5d}     {state}  {used_s:8.1f} {uuid.UUID(int=number)}  -  -"


def xl(server, verb, *rest):
    with (FOLDER / "calls.log").open("a") as log:
        log.write(f"xl {verb} {' '.join(rest)}\n")
    if verb == "list":
        if (server.behaviour.get("list_crashes", 0)) > 0:
            server.behaviour["list_crashes"] -= 1
            (FOLDER / "behaviour.json").write_text(json.dumps(server.behaviour))
            os.kill(os.getpid(), signal.SIGSEGV)
        server.list()
    elif verb == "create":
        server.create(rest[0])
    elif verb == "destroy":
        server.destroy(rest[0])
    elif verb == "domid":
        found = [n for n, domain in server.domains.items() if domain["name"] == rest[0] and not domain["dying"]]
        if not found:
            sys.exit(f"Can't get domid of domain name '{rest[0]}', maybe this domain does not exist.")
        print(found[0])
    elif verb == "dmesg":
        for number in server.domains:
            print(CRASH.format(id=number), end="")
    elif verb == "info":
        print({"xen_version": server.behaviour.get("version", "4.17.7"), "nr_cpus": 8}[rest[0]])


def cosmos(server, verb, asked, *rest):
    """Exit status 0 always: it says nothing. Returns whether it waits for an answer that never comes."""
    with (FOLDER / "calls.log").open("a") as log:
        log.write(f"cosmos {verb} {asked} {' '.join(rest)}\n")
    takes = server.behaviour.get("cosmos_takes", "id")
    number = -2
    if takes == "id" and asked.isdigit():
        number = int(asked)
    elif takes == "name":
        number = next((int(n) for n, domain in server.domains.items() if domain["name"] == asked), -2)
    if verb == "read":
        element, handler = rest
        known = server.domains.get(str(number), {}).get("elements", [])
        if element not in known or server.behaviour.get("silent"):
            return True
        second = (FOLDER / f"read-{number}-{element}").exists()
        (FOLDER / f"read-{number}-{element}").touch()
        print(f"read({element}/{handler}) => {1000 + number}" if second else "(null)")
        return False
    print(f"Domain ID for {asked}: {number}", file=sys.stderr)
    print(f"Location of click script: {rest[0]}", file=sys.stderr)
    server.write(f"/local/domain/{number}/data/clickos/0/config/0", Path(rest[0]).read_text(encoding="utf-8"))
    server.write(f"/local/domain/{number}/data/clickos/0/status", "Running")
    return False


def main():
    tool, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    waits = False
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = Server()
        if tool == "xl":
            xl(server, *arguments)
        elif tool == "cosmos":
            waits = cosmos(server, *arguments)
        elif tool == "xenstore-write":
            for path, value in zip(arguments[::2], arguments[1::2], strict=True):
                server.write(path, value)
        elif tool == "xenstore-rm":
            server.keys = {path: value for path, value in server.keys.items() if not path.startswith(arguments[0])}
        elif tool == "xenstore-ls":
            found = [path for path in sorted(server.keys) if path.startswith(f"{arguments[1]}/")]
            print("".join(f'{path} = "{sanitised(server.keys[path])}"\n' for path in found), end="")
            print(server.behaviour.get("keys_text", ""), end="")
        server.save()
    while waits:
        signal.pause()
    if tool == "xenstore-watch":
        watch(arguments[0])


def sanitised(value):
    """A value as xenstore-ls prints it: on one line."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def watch(what):
    """Say once that we watch, then again whenever a domain has gone."""
    seen = None
    while True:
        with (FOLDER / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            domains = {
                n: (d["dying"], d["crashed"])
                for n, d in json.loads((FOLDER / "state.json").read_text())["domains"].items()
            }
        if domains != seen:
            print(what, flush=True)
        seen = domains
        time.sleep(0.05)


if __name__ == "__main__":
    main()
