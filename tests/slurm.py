"""A real Slurm of four nodes on this one machine: munge, slurmctld and a slurmd per node, on the loopback.

Each slurmd has a host name, an /etc/hosts and a PMIx directory of its own, by namespaces, so that what runs on its
node takes the others for other machines.  Only packages that are missing are installed; all else is in one directory.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from packages import install, missing
from running import until

NODES = ("node1", "node2", "node3", "node4")
PACKAGES = {  # each with the file that shows it is there
    "munge": "usr/sbin/munged",
    "slurmctld": "usr/sbin/slurmctld",
    "slurmd": "usr/sbin/slurmd",
    "slurm-client": "usr/bin/sbatch",
    "libpmix-dev": "usr/lib/*/pmix2/lib/libpmix.so",  # the name under which srun --mpi=pmix looks for it
}
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={directory}/munge/socket,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool/%n
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/%n.pid
SlurmctldLogFile={directory}/log/slurmctld
SlurmdLogFile={directory}/log/%n
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0,bf_interval=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
KillWait=5
SlurmdTimeout=30
MailProg=/bin/true
NodeName={nodes} NodeAddr=127.0.0.1 Port={ports} CPUs=4 RealMemory=1000
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=10
"""
NODE = """
hostname "$1" && mount --bind "$2/hosts" /etc/hosts && mount --bind "$2/pmix.$1" "$2/pmix" && exec slurmd -D -N "$1"
"""


def why_not():
    """Why there can be no Slurm here; empty when there can."""
    if os.geteuid() != 0:
        return "only root can make the nodes of a Slurm"
    if subprocess.run(["unshare", "--uts", "--mount", "true"], capture_output=True, check=False).returncode:
        return "the nodes of a Slurm need namespaces, which this container may not make"
    if missing(PACKAGES) and not shutil.which("apt-get"):
        return f"there is no apt-get to install {' '.join(missing(PACKAGES))}"
    return ""


def _free_ports(count):
    """The first of so many free ports in a row."""
    for first in range(17300, 19000, count):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    problem = f"no {count} free ports in a row"
    raise RuntimeError(problem)


class Slurm:
    """The cluster; its directory holds all of its state."""

    def __init__(self, directory):
        install(PACKAGES)
        self.directory = directory
        self.environment = os.environ | {
            "SLURM_CONF": str(directory / "slurm.conf"),
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
        }
        self.daemons, self.places = {}, {}
        self._configure()

    def _configure(self):
        for name in ("munge", "state", "spool", "log", "pmix", *(f"pmix.{node}" for node in NODES)):
            (self.directory / name).mkdir(parents=True)
        key = self.directory / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        port = _free_ports(1 + len(NODES))
        text = CONFIGURATION.format(
            directory=self.directory,
            host=socket.gethostname().partition(".")[0],
            port=port,
            nodes=",".join(NODES),
            ports=",".join(str(port + number) for number in range(1, 1 + len(NODES))),
        )
        (self.directory / "slurm.conf").write_text(text)
        (self.directory / "mpi.conf").write_text(f"PMIxCliTmpDirBase={self.directory}/pmix\n")
        known = "".join(f"127.0.0.1 {node}\n" for node in NODES)
        (self.directory / "hosts").write_text(Path("/etc/hosts").read_text() + known)

    def start(self):
        """Start what is not running, and wait until all nodes are there."""
        munge = self.directory / "munge"
        files = [f"--{what}={munge / name}" for what, name in (("socket", "socket"), ("key-file", "key"))]
        files += [f"--{name}-file={munge / name}" for name in ("pid", "log", "seed")]
        self._daemon("munge", "munged", "--foreground", "--force", *files)
        until((munge / "socket").exists, "munged")
        self._daemon("slurmctld", "slurmctld", "-D")
        for node in NODES:
            self._daemon(node, "unshare", "--uts", "--mount", "sh", "-c", NODE, "sh", node, self.directory)
        until(lambda: self.idle() == set(NODES), "four idle nodes")
        self.places = {node: Path(f"/proc/{self.daemons[node].pid}/ns/uts").readlink() for node in NODES}

    def _daemon(self, name, *command):
        if name not in self.daemons or self.daemons[name].poll() is not None:
            nowhere = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            self.daemons[name] = subprocess.Popen(command, env=self.environment, start_new_session=True, **nowhere)

    def stop(self):
        """End everything that runs in it, and itself."""
        for node in self.places:
            self.kill_node(node)
        for daemon in self.daemons.values():
            daemon.kill()
            daemon.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def kill_node(self, node):
        """The machine loses power: slurmd, the steps' managers, job scripts and ranks are gone at once."""
        while inside := self._inside(node):
            for pid in inside:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.daemons[node].poll()

    def _inside(self, node):
        """The pids of all that runs on the node."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "ns" / "uts").readlink() == self.places[node]:
                    found.append(int(process.name))
        return found

    def run(self, *command, cwd=None, **environment):
        """The output of one of Slurm's commands."""
        env = self.environment | environment
        done = subprocess.run([*map(str, command)], env=env, cwd=cwd, capture_output=True, text=True, check=False)
        if done.returncode:
            problem = f"{' '.join(map(str, command))} exits with {done.returncode}: {done.stderr}"
            raise RuntimeError(problem)
        return done.stdout

    def idle(self):
        """The nodes on which nothing runs."""
        try:
            return set(self.run("sinfo", "--noheader", "--Node", "--states=idle", "--format=%N").split())
        except RuntimeError:  # slurmctld is not there yet
            return set()

    def sbatch(self, *arguments, cwd, **environment):
        """Submit a job; gives its number."""
        return self.run("sbatch", "--parsable", *arguments, cwd=cwd, **environment).strip()

    def cancel_all(self):
        """End all jobs, and wait for it."""
        self.run("scancel", "--user=root")
        until(lambda: not self.run("squeue", "--noheader"), "an empty queue")

    def job(self, number):
        """What Slurm knows of a job, by its own names: JobState, ExitCode, Restarts, ..."""
        return dict(re.findall(r"(\S+?)=(\S*)", self.run("scontrol", "show", "job", number, "--oneliner")))

    def wait_for(self, number, *states):
        """Wait until the job is in one of these states; gives what Slurm then knows of it."""
        ended = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")

        def there():
            job = self.job(number)
            return job if job["JobState"] in (states or ended) else None

        return until(there, f"job {number} {' or '.join(states) or 'ended'}")
