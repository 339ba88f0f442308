"""Getting out: to the network, to the host's files and processes, to privileges, to the kernel.

Each program prints `escaped` exactly when it got there, and that is what its test expects.
"""

from __future__ import annotations

from pathlib import Path

from rlvr_sandbox.conformance.cases import BLAMED, ESCAPED, Attack, attack, stdio, text
from rlvr_sandbox.conformance.machine.leftovers import CALLED, CLEAN

SYSTEM = text("""
    import ctypes, errno, glob, os, socket, stat, subprocess, sys
    libc = ctypes.CDLL(None, use_errno=True)

    def call(number, *args):
        return libc.syscall(number, *(ctypes.c_long(a) if isinstance(a, int) else a for a in args)) >= 0

    def works(act, *args):
        try:
            act(*args)
            return True
        except Exception:
            return False

    def writable(path):
        return works(lambda: os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK)))

    def say(escaped):
        print("escaped" if escaped else "held", flush=True)
""")
"""Definitions for the programs below."""


def escape(name: str, says: str, source: str) -> Attack:
    """An attack by a program that prints `escaped` if it did, after which others run undisturbed."""
    return attack(name, says, ESCAPED, SYSTEM + text(source), outcomes=BLAMED, after=(CLEAN, CALLED))


def escapes_to(file: Path, port: int) -> tuple[Attack, ...]:
    """Attacks on this host in particular: `file` is readable to everybody here, on `port` somebody listens."""
    return (
        attack(
            "read-a-file-of-the-host",
            "Reads a file of the host's, by its path, and through the roots of all processes.",
            stdio((f"{file}\n", file.read_text(encoding="utf-8"))),
            """
            import glob
            path = input()
            for root in ["", *glob.glob("/proc/[0-9]*/root"), *glob.glob("/proc/[0-9]*/cwd" + "/.." * 9)]:
                try:
                    print(open(root + path).read())
                except OSError:
                    continue
            """,
        ),
        attack(
            "connect-to-a-port-of-the-host",
            "Connects to a port of the host's, on its loopback and on the usual addresses of bridges.",
            stdio((f"{port}\n", "escaped\n")),
            """
            import socket
            port = int(input())
            for host in ("127.0.0.1", "::1", "172.17.0.1", "172.18.0.1", "10.0.2.2", "host.docker.internal"):
                try:
                    socket.create_connection((host, port), timeout=0.1)
                    print("escaped")
                    break
                except OSError:
                    continue
            """,
        ),
    )


ATTACKS = (
    escape(
        "reach-an-interface",
        "Looks for a network interface, other than loopback, that is up.",
        """
        import fcntl
        def is_up(name):
            with socket.socket() as s:
                request = fcntl.ioctl(s, 0x8913, name.encode().ljust(40, b"\\0"))
                return request[16] & 1
        say(any(is_up(name) for _, name in socket.if_nameindex() if name != "lo"))
        """,
    ),
    escape(
        "reach-the-internet",
        "Connects to public resolvers by address.",
        """
        say(any(works(socket.create_connection, (host, port), 0.2)
                for host in ("1.1.1.1", "8.8.8.8", "2606:4700:4700::1111") for port in (53, 443)))
        """,
    ),
    escape(
        "send-a-datagram",
        "Sends datagrams, which need no answer, to public addresses and by broadcast.",
        """
        def send(host):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                s.sendto(b"x", (host, 53))
        say(any(works(send, host) for host in ("1.1.1.1", "172.17.0.1", "169.254.169.254", "255.255.255.255")))
        """,
    ),
    escape(
        "resolve-a-name",
        "Resolves a name, which would carry data out.",
        "say(works(socket.getaddrinfo, 'example.com', 80))\n",
    ),
    escape(
        "reach-cloud-metadata",
        "Connects to the address where clouds hand out credentials.",
        "say(any(works(socket.create_connection, (h, 80), 0.2) for h in ('169.254.169.254', '100.100.100.200')))\n",
    ),
    escape(
        "open-raw-sockets",
        "Opens raw and packet sockets.",
        """
        say(works(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)
            or works(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0))
        """,
    ),
    escape(
        "reach-the-hypervisor",
        "Connects to the host of a virtual machine over its own kind of socket.",
        """
        def connect():
            with socket.socket(40, socket.SOCK_STREAM) as s:
                s.settimeout(0.2)
                s.connect((2, 1024))
        say(works(connect))
        """,
    ),
    escape(
        "reach-the-docker-socket",
        "Connects to the sockets of container engines.",
        """
        PATHS = ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock",
                 "/run/podman/podman.sock"]
        def connect(path):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(path)
        PATHS += glob.glob(os.path.join("/proc/[0-9]*", "root", "run", "docker.sock"))
        say(any(works(connect, path) for path in PATHS))
        """,
    ),
    escape(
        "reach-sockets-of-the-host",
        "Connects to any abstract or named Unix socket of somebody else's.",
        """
        def connect(name):
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(0.2)
                s.connect(name.replace("@", chr(0), 1))
        with open("/proc/net/unix") as table:
            names = [line.split()[7] for line in table.readlines()[1:] if len(line.split()) > 7]
        say(any(works(connect, name) for name in names))
        """,
    ),
    escape(
        "mount-something",
        "Mounts a file system, and binds a folder to another.",
        """
        say(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0
            or libc.mount(b"/", b"/tmp", None, 4096, None) == 0
            or libc.mount(b"proc", b"/proc", b"proc", 0, None) == 0)
        """,
    ),
    escape(
        "remount-the-root",
        "Mounts the root and the system's folders anew, to write to them.",
        """
        say(any(libc.mount(None, path, None, 32 | 4096, None) == 0 for path in (b"/", b"/usr", b"/etc", b"/proc/sys")))
        """,
    ),
    escape(
        "unmount-something",
        "Unmounts what hides something else.",
        "say(any(libc.umount2(path, 2) == 0 for path in (b'/proc', b'/tmp', b'/work', b'/dev', b'/sys')))\n",
    ),
    escape(
        "unshare-and-mount",
        "Makes user and mount namespaces of its own, in which it would be root, and mounts something there.",
        """
        say(libc.unshare(0x10000000 | 0x00020000) == 0 and libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0)
        """,
    ),
    escape(
        "enter-other-namespaces",
        "Enters the namespaces of the first process and of its parent.",
        """
        def enter(path):
            descriptor = os.open(path, os.O_RDONLY)
            if libc.setns(descriptor, 0):
                raise OSError
        paths = glob.glob("/proc/1/ns/*") + glob.glob(f"/proc/{os.getppid()}/ns/*")
        say(any(works(enter, path) for path in paths if "for_children" not in path))
        """,
    ),
    escape(
        "change-the-root",
        "Changes its root, and walks out of it over an open folder.",
        """
        os.makedirs("/tmp/jail", exist_ok=True)
        say(works(os.chroot, "/tmp/jail") or call(155, b"/tmp", b"/tmp"))
        """,
    ),
    escape(
        "become-root",
        "Sets its user, group and further groups to 0 in every way there is.",
        """
        ways = [(os.setuid, 0), (os.seteuid, 0), (os.setgid, 0), (os.setegid, 0), (os.setgroups, [0]),
                (os.setresuid, 0, 0, 0), (os.setresgid, 0, 0, 0), (os.setreuid, 0, 0)]
        before = os.getresuid(), os.getresgid(), os.getgroups()
        for act, *args in ways:
            works(act, *args)
        say((os.getresuid(), os.getresgid(), os.getgroups()) != before)
        """,
    ),
    escape(
        "become-somebody-else",
        "Takes another user's number: its neighbour's, the tests', the last or next program's.",
        "say(any(works(os.setuid, os.getuid() + step) for step in (-2, -1, 1, 2, 1000)))\n",
    ),
    escape(
        "use-set-uid-programs",
        "Runs programs that belong to root and carry the set-user-id bit, its own copies included.",
        """
        import shutil
        def becomes_root(path):
            result = subprocess.run([path, "-c", "id -u"], stdin=subprocess.DEVNULL, capture_output=True, timeout=1)
            return result.stdout.strip() == b"0" and os.getuid() != 0
        found = [path for folder in ("/bin", "/usr/bin", "/sbin", "/usr/sbin") for path in glob.glob(folder + "/*")
                 if os.path.basename(path) in ("su", "sudo", "doas", "pkexec", "newgrp")]
        say(any(works(lambda path=path: becomes_root(path) or 1 / 0) for path in found))
        """,
    ),
    escape(
        "hold-capabilities",
        "Looks whether it has capabilities, can raise any, or could gain privileges from a program that it runs.",
        """
        with open("/proc/self/status") as status:
            fields = dict(line.split(":", 1) for line in status)
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        data = (ctypes.c_uint32 * 6)(*([0xFFFFFFFF] * 6))
        say(any(int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"))
            or fields["NoNewPrivs"].strip() != "1" or libc.capset(header, data) == 0)
        """,
    ),
    escape(
        "debug-the-first-process",
        "Attaches to the first process and to its parent with ptrace.",
        "say(any(libc.ptrace(how, pid, 0, 0) == 0 for how in (16, 0x4206) for pid in {1, os.getppid()} - {0}))\n",
    ),
    escape(
        "write-to-the-kernels-settings",
        "Opens kernel settings under /proc/sys and /sys for writing.",
        """
        PATHS = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/drop_caches",
                 "/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/sys/fs/binfmt_misc/register",
                 "/proc/sys/net/ipv4/ip_forward", "/sys/kernel/uevent_helper", "/sys/power/state"]
        say(any(map(writable, PATHS)))
        """,
    ),
    escape(
        "write-to-other-processes",
        "Opens other processes' memory, limits and killing order for writing.",
        """
        others = [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid()]
        names = ("mem", "oom_score_adj", "uid_map", "gid_map", "setgroups", "comm", "clear_refs")
        say(any(writable(f"/proc/{pid}/{name}") for pid in others for name in names))
        """,
    ),
    escape(
        "spare-itself-from-the-killer",
        "Lowers its own score with the out-of-memory killer.",
        """
        def spare():
            with open("/proc/self/oom_score_adj", "w") as score:
                score.write("-1000")
        say(works(spare))
        """,
    ),
    escape(
        "leave-the-control-group",
        "Moves itself to another control group, raises its limits, sets a release agent.",
        """
        paths = [path for path in glob.glob("/sys/fs/cgroup/**", recursive=True)
                 if os.path.basename(path) in ("cgroup.procs", "memory.max", "pids.max", "release_agent", "tasks")]
        say(any(map(writable, paths)) or works(os.mkdir, "/sys/fs/cgroup/escaped"))
        """,
    ),
    escape(
        "write-to-the-system",
        "Writes to the system's folders, to the interpreter's, and to accounts and schedules.",
        """
        folders = {"/", "/usr", "/etc", "/bin", "/usr/bin", "/lib", "/opt", "/root", "/home", "/var", "/etc/cron.d",
                   "/boot", "/usr/lib", os.path.dirname(sys.executable), os.path.dirname(os.__file__)}
        def create(folder):
            path = os.path.join(folder, "escaped")
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            os.unlink(path)
        files = ["/etc/passwd", "/etc/shadow", "/etc/ld.so.preload", "/etc/hosts", sys.executable, os.__file__]
        say(any(map(writable, files)) or any(works(create, folder) for folder in folders))
        """,
    ),
    escape(
        "overwrite-the-supervisors-binary",
        "Opens the executables that other processes run from, and its own, for writing.",
        """
        say(any(writable(path) for path in glob.glob("/proc/[0-9]*/exe") + ["/proc/self/exe"]))
        """,
    ),
    escape(
        "read-the-accounts",
        "Reads password hashes and private keys.",
        """
        PATHS = ["/etc/shadow", "/etc/gshadow", *glob.glob("/etc/ssh/*_key"), *glob.glob("/home/*/.ssh/*"),
                 *glob.glob(os.path.expanduser("~root/.*/*"))]
        say(any(works(lambda path=path: open(path, "rb").read(1)[0]) for path in PATHS))
        """,
    ),
    escape(
        "read-the-hosts-environment",
        "Looks for variables of the host's environment, in its own and in every process's.",
        """
        KNOWN = {"PATH", "LANG", "HOME", "PWD", "HOSTNAME", "SHLVL", "TERM", "TMPDIR", "TZ", "USER", "container", "_"}
        KNOWN |= {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}
        seen = set(os.environ)
        for path in glob.glob("/proc/[0-9]*/environ"):
            works(lambda: seen.update(part.split("=")[0] for part in open(path).read().split(chr(0)) if part))
        say({name for name in seen - KNOWN if not name.startswith(("PYTHON", "LC_"))})
        """,
    ),
    escape(
        "walk-out-over-an-open-folder",
        "Looks for inherited descriptors of folders, and walks out of the sandbox over them.",
        """
        def is_folder(fd):
            return stat.S_ISDIR(os.fstat(fd).st_mode) or 1 / 0
        say(any(works(lambda fd=fd: is_folder(fd)) for fd in range(256)))
        """,
    ),
    escape(
        "see-the-hosts-processes",
        "Looks for processes of the host's: container engines, init systems, kernel threads.",
        """
        names = set()
        for path in glob.glob("/proc/[0-9]*/comm"):
            works(lambda: names.add(open(path).read().strip()))
        say(names & {"systemd", "dockerd", "containerd", "kthreadd", "sshd", "init", "pytest", "containerd-shim"})
        """,
    ),
    escape(
        "open-devices",
        "Opens disks, memory, the console and hypervisor devices.",
        """
        DEVICES = ["/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/kvm", "/dev/fuse", "/dev/net/tun"]
        disks = [path for path in glob.glob("/dev/*") if works(lambda: stat.S_ISBLK(os.stat(path).st_mode) or 1 / 0)]
        def read(path):
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        say(any(works(read, path) for path in DEVICES + disks))
        """,
    ),
    escape(
        "make-devices",
        "Makes device files of disks and memory.",
        """
        say(any(works(os.mknod, f"/tmp/leftover-{major}-{minor}", 0o600 | kind, os.makedev(major, minor))
                for kind, major, minor in ((stat.S_IFBLK, 8, 0), (stat.S_IFBLK, 254, 0), (stat.S_IFCHR, 1, 1))))
        """,
    ),
    escape(
        "type-into-the-terminal",
        "Pushes characters into the terminal of whoever started the sandbox.",
        """
        import fcntl
        def push(fd):
            fcntl.ioctl(fd, 0x5412, b"\\n")
        def push_by_name():
            push(os.open("/dev/tty", os.O_RDWR))
        say(any(works(push, fd) for fd in range(32)) or works(push_by_name))
        """,
    ),
    escape(
        "load-a-kernel-module",
        "Loads kernel modules and another kernel.",
        "say(call(175, b'', 0, b'') or call(313, 0, b'', 0) or call(246, 0, 0, 0, 0) or call(176, b'dummy', 0))\n",
    ),
    escape(
        "use-dangerous-system-calls",
        "Opens eBPF programs, kernel profiling, files by handle, and asks for port access.",
        """
        attributes = ctypes.create_string_buffer(128)
        attributes[0], attributes[4], attributes[8], attributes[12] = b"\\x02", b"\\x04", b"\\x04", b"\\x01"
        event = ctypes.create_string_buffer(128)
        event[4] = b"\\x80"
        handle = ctypes.create_string_buffer(136)
        handle[0] = b"\\x08"
        say(call(321, 0, attributes, 72) or call(298, event, -1, 0, -1, 0) or call(304, -100, handle, 0)
            or call(172, 3) or call(173, 0x3F8, 3, 1))
        """,
    ),
    escape(
        "change-the-machine",
        "Sets the clock and the host's name, switches swap off, starts accounting, reboots.",
        """
        now = (ctypes.c_long * 2)(0, 0)
        say(libc.sethostname(b"escaped", 7) == 0 or libc.setdomainname(b"escaped", 7) == 0
            or libc.clock_settime(0, now) == 0 or libc.swapoff(b"/swapfile") == 0 or libc.acct(b"/tmp/leftover") == 0
            or call(169, 0xFEE1DEAD, 672274793, 0x89ABCDEF, 0))
        """,
    ),
    escape(
        "signal-the-supervisor",
        "Sends signals that it could trip over to the first process and to all of the others.",
        """
        import signal
        others = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid()]
        for sig in (signal.SIGUSR1, signal.SIGTERM, signal.SIGKILL):
            for pid in [1, *others]:
                works(os.kill, pid, sig)
        print("held")
        """,
    ),
    escape(
        "outlive-the-sandbox",
        "Asks the kernel to spare it when its parent dies, in a session and a process group of its own.",
        """
        import time
        libc.prctl(1, 0, 0, 0, 0)
        libc.prctl(36, 1, 0, 0, 0)
        if os.fork() == 0:
            os.setsid()
            libc.prctl(36, 1, 0, 0, 0)
            libc.prctl(15, b"leftover", 0, 0, 0)
            while True:
                if os.fork() == 0:
                    os.setsid()
                    time.sleep(60)
                os.wait()
        print("held")
        """,
    ),
)
