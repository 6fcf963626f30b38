"""Walls around a process that meets hostile files, from within and for good.

- Landlock (Linux 5.13 and later): no file but what is named, no TCP (6.7), no signal to others (6.12).
- seccomp: no socket, no program, no other process, none of the kernel's rarer doors; x86-64 and ARM64.
- Another user, where the process is root's and there is no Landlock: what nobody may read is then shut off at least.
- Resource limits everywhere: address space, processor time, no file written, no core.

Everything a reader loads must be loaded before; threads of its own it may still start.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

NICE = 10
"""Answers that are being written go before documents that are being read."""

NOBODY = 65534
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_FILTER = 2

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
READ_FILE, READ_DIR = 1 << 2, 1 << 3
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights to files each version of Landlock knows; later ones know as many as the fifth."""

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32 = 0x40000000

# The number of each call on x86-64 and on ARM64; None where there is no such call.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "accept4": (288, 242),
    "bind": (49, 200),
    "listen": (50, 201),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "kill": (62, 129),
    "tkill": (200, 130),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "rt_sigqueueinfo": (129, 138),
    "prlimit64": (302, 261),
    "setrlimit": (160, 164),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "reboot": (169, 142),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "swapon": (167, 224),
    "personality": (135, 92),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "link": (86, None),
    "linkat": (265, 37),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "truncate": (76, 45),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "fsetxattr": (190, 7),
    "utimensat": (280, 88),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "setuid": (105, 146),
    "setgid": (106, 144),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    "setsid": (112, 157),
    "setpgid": (109, 154),
}
CLONE = (56, 220)
CLONE3 = (435, 435)
CLONE_THREAD = 0x10000

LOAD, JUMP_EQUAL, JUMP_GREATER, JUMP_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, FAIL = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER, ARCH, FIRST_ARGUMENT = 0, 4, 16


def limit_resources(memory_mb: int, cpu_seconds: int) -> None:
    """Bound this process: address space, processor time, no files written, no core, no life after its parent."""
    os.nice(NICE)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def wall_in(readable: Iterable[Path] = ()) -> list[str]:
    """Put up every wall that this system has; only files under `readable` can be opened, and only to be read.

    The names of those that stand: `landlock`, `seccomp`, `user`.
    """
    if sys.platform != "linux":
        return []
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    walls = {"landlock": _landlock(libc, readable)}
    walls["user"] = not walls["landlock"] and _leave_root(libc)
    walls["seccomp"] = _seccomp(libc)
    return [name for name, stands in walls.items() if stands]


def _leave_root(libc: ctypes.CDLL) -> bool:
    """Whether this process was root's and is nobody's now."""
    if os.geteuid() != 0:
        return False
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError:
        return False
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of user takes it away
    return True


def _landlock(libc: ctypes.CDLL, readable: Iterable[Path]) -> bool:
    version = libc.syscall(LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return False
    rights = (1 << FILE_RIGHTS.get(version, 16)) - 1
    network = 0b11 if version >= 4 else 0
    scopes = 0b11 if version >= 6 else 0
    attributes = struct.pack("QQQ", rights, network, scopes)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = libc.syscall(LANDLOCK_CREATE, attributes, size, 0)
    if ruleset < 0:
        return False
    try:
        for path in readable:
            _allow_reading(libc, ruleset, path)
        return bool(libc.syscall(LANDLOCK_RESTRICT, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow_reading(libc: ctypes.CDLL, ruleset: int, path: Path) -> None:
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    rights = READ_FILE | READ_DIR if path.is_dir() else READ_FILE
    libc.syscall(LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", rights, folder), 0)
    os.close(folder)


def _seccomp(libc: ctypes.CDLL) -> bool:
    machine = platform.machine()
    if machine not in AUDIT_ARCH:
        return False
    program = ctypes.create_string_buffer(_program(machine))
    header = struct.pack("HxxxxxxP", (len(program) - 1) // 8, ctypes.addressof(program))
    return bool(libc.prctl(PR_SET_SECCOMP, SECCOMP_FILTER, header, 0, 0) == 0)


def _program(machine: str) -> bytes:
    """The filter: another architecture's calls end the process, what is refused fails with EPERM."""
    at = 0 if machine == "x86_64" else 1
    refused = sorted(number for pair in REFUSED.values() if (number := pair[at]) is not None)
    steps = [
        (LOAD, 0, 0, ARCH),
        (JUMP_EQUAL, 1, 0, AUDIT_ARCH[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        (JUMP_GREATER, 0, 1, X32),
        (RETURN, 0, 0, FAIL | errno.ENOSYS),
        (JUMP_EQUAL, 0, 1, CLONE3[at]),
        (RETURN, 0, 0, FAIL | errno.ENOSYS),  # the C library then takes clone, whose flags can be looked at
        (JUMP_EQUAL, 0, 4, CLONE[at]),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (JUMP_SET, 0, 1, CLONE_THREAD),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, FAIL | errno.EPERM),
    ]
    for number in refused:
        steps += [(JUMP_EQUAL, 0, 1, number), (RETURN, 0, 0, FAIL | errno.EPERM)]
    steps.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("HBBI", *step) for step in steps)
