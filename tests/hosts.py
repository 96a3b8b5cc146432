"""Several hosts on this one machine, which can die, fall silent and come back while an mpirun runs over them.

Each host is a network, a host name and an /etc/hosts of its own: Linux namespaces, on a switch in a namespace of its
own.  So nothing is to be seen from outside, any number of such sets may exist side by side, and the kernel takes
everything away when its processes are gone.  Processes and files are those of this machine.
"""

import contextlib
import itertools
import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

from packages import install
from running import until

PACKAGES = {"iproute2": "*bin/ip"}
SLOTS = 4
ADDRESS = "10.213.71.{number}"  # nobody else's: the network is not connected to any other
AGENT = """#!/bin/sh
# ssh HOST COMMAND...: the far end begins with a clean environment.  Without a link nothing is heard, not even its end.
cd {directory} || exit 255
host="$1"
shift
[ -e "$host.pid" ] && [ ! -e "$host.dead" ] || exit 255
nsenter --target "$(cat "$host.pid")" --net --uts --mount \\
    env -i HOME="$HOME" USER=root LOGNAME=root PATH=/usr/local/bin:/usr/bin:/bin sh -c 'cd && eval "$*"' sh "$@"
status=$?
[ -p "$host.cut" ] && read -r _ <"$host.cut"
[ "$status" -gt 128 ] && status=255
exit "$status"
"""
_sets = itertools.count(1)


def why_not():
    """Why there can be no hosts here; empty when there can."""
    if os.geteuid() != 0:
        return "only root can make hosts"
    if subprocess.run(["unshare", "--net", "--uts", "--mount", "true"], capture_output=True, check=False).returncode:
        return "hosts need namespaces, which this container may not make"
    if not shutil.which("ip") and not shutil.which("apt-get"):
        return "there is neither ip nor an apt-get to install iproute2"
    return ""


class Hosts:
    """So many hosts, up and connected; ``directory`` holds what they need and is not there before.

    ``names`` are theirs; ``hostfile`` and ``environment`` are for an mpirun that is started on one of them, with
    ``on(name, directory)`` before its command.
    """

    def __init__(self, directory, count):
        install(PACKAGES)
        self.directory = directory
        self.names = [f"host{number}-{os.getpid()}-{next(_sets)}" for number in range(1, count + 1)]
        self._holders = {}
        directory.mkdir()
        self.hostfile = directory / "hostfile"
        self.hostfile.write_text("".join(f"{name} slots={SLOTS}\n" for name in self.names))
        agent = directory / "login"
        agent.write_text(AGENT.format(directory=shlex.quote(str(directory))))
        agent.chmod(0o755)
        self.environment = {"PRTE_MCA_plm_ssh_agent": str(agent)}
        try:
            self._connect()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _connect(self):
        """One switch, and a cable from each host to it."""
        known = [f"{ADDRESS.format(number=number)} {name}\n" for number, name in enumerate(self.names, 1)]
        (self.directory / "hosts").write_text("127.0.0.1 localhost\n" + "".join(known))
        self._hold("switch", "true")
        self._ip("switch", "link add switch type bridge", "link set switch up")
        for number, name in enumerate(self.names, 1):
            own = shlex.quote(str(self.directory / "hosts"))
            pid = self._hold(name, f"hostname {name} && mount --bind {own} /etc/hosts")
            (self.directory / f"{name}.pid").write_text(str(pid))
            self._ip("switch", f"link add port{number} type veth peer name eth0 netns {pid}")
            self._ip("switch", f"link set port{number} master switch", f"link set port{number} up")
            address = f"address add {ADDRESS.format(number=number)}/24 dev eth0"
            self._ip(name, "link set lo up", address, "link set eth0 up")

    def _hold(self, name, setup):
        """Make namespaces, and a process that holds them until it, or whoever is waiting here, is gone."""
        command = ["unshare", "--net", "--uts", "--mount", "sh", "-c", f"{setup} && echo ready && exec cat"]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self._holders[name] = holder
        if holder.stdout.readline() != b"ready\n":
            problem = f"{name} cannot be made"
            raise RuntimeError(problem)
        return holder.pid

    def _ip(self, name, *lines):
        inside = ["nsenter", "--target", str(self._holders[name].pid), "--net"]
        subprocess.run([*inside, "ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)

    def on(self, name, directory):
        """What goes before a command that is to run on this host, in this directory and the environment it is given."""
        enter = ["nsenter", "--target", str(self._holders[name].pid), "--net", "--uts", "--mount"]
        return [*enter, "env", f"--chdir={directory}"]

    def processes(self, name):
        """The pids of all that runs on this host."""
        holder = self._holders[name].pid
        place = Path(f"/proc/{holder}/ns/net").readlink()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "ns" / "net").readlink() == place and int(process.name) != holder:
                    found.append(int(process.name))
        return found

    def kill(self, name):
        """All of its processes die at once, the kernel closes their connections, and no new ones can be started."""
        (self.directory / f"{name}.dead").touch()
        self.pause(name)  # else some see others die, and say so
        self._kill_all(name)

    def cut_link(self, name):
        """Its network goes away, its processes live on: the others hear nothing, not even an end."""
        os.mkfifo(self.directory / f"{name}.cut")
        self._ip("switch", f"link set port{1 + self.names.index(name)} down")

    def heal(self, name):
        """Its network comes back."""
        self._ip("switch", f"link set port{1 + self.names.index(name)} up")
        whoever_waits = os.open(self.directory / f"{name}.cut", os.O_RDWR)  # blocks nobody, here or there
        (self.directory / f"{name}.cut").unlink()
        os.close(whoever_waits)

    def pause(self, name):
        """All of its processes stop where they are; their connections stay open."""

        def stopped():
            running = [pid for pid in self.processes(name) if _state(pid) not in "TZ"]
            _signal(running, signal.SIGSTOP)
            return not running

        until(stopped, f"the stop of {name}")

    def resume(self, name):
        """They go on."""
        _signal(self.processes(name), signal.SIGCONT)

    def close(self):
        """End all that runs there; the namespaces, and with them the network, go with it."""
        for name, holder in self._holders.items():
            if holder.poll() is None:
                self._kill_all(name)
            holder.kill()
            holder.communicate()
        self._holders = {}
        shutil.rmtree(self.directory, ignore_errors=True)

    def _kill_all(self, name):
        def gone():
            inside = self.processes(name)
            _signal(inside, signal.SIGKILL)
            return not inside

        until(gone, f"the end of all processes on {name}")


def _state(pid):
    """The letter that /proc has for it; Z when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def _signal(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
