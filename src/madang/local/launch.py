"""Becomes another program, after tying its life to its parent and giving up root.

Run by path with `python -I -S`, so that it costs 15 ms and needs nothing installed:

    launch.py PARENT_PID SIGNAL OWNED_DIR|- PROGRAM [ARGUMENT ...]

The program ends by SIGNAL when the process PARENT_PID ends (the thread that started it, to be exact: start
children from a thread that stays). With OWNED_DIR the program will not see itself as root, which PostgreSQL
insists on: a folder of root's is used from a user namespace in which root has another number; where namespaces
are refused, as in most containers, the folder changes hands to `nobody`. A folder that already belongs to somebody
else is used as that user. File capabilities stay, so that no parent folder has to be opened to others.
"""

import contextlib
import ctypes
import os
import pathlib
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
LINUX_CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_FOWNER = 3
NOBODY = 65534
NAMESPACE_USER = 1000


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def main(arguments: list[str]) -> None:
    """Do as the module says; returns only by replacing the process."""
    parent, signal, owned, *command = arguments
    if owned != "-" and os.geteuid() == 0:
        _leave_root(pathlib.Path(owned))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("the process that asked for this one has ended")
    os.execv(command[0], command)  # noqa: S606  # the caller gives an absolute path and no shell is involved


def _leave_root(owned: pathlib.Path) -> None:
    owner = owned.stat().st_uid
    if owner != 0:
        _become(owner, owned.stat().st_gid)
    elif not _enter_namespace():
        _hand_over(owned)
        _become(NOBODY, NOBODY)


def _enter_namespace() -> bool:
    if os.environ.get("MADANG_NO_USER_NAMESPACE") == "1":
        return False
    try:
        os.unshare(os.CLONE_NEWUSER)
    except (AttributeError, OSError):
        return False
    self = pathlib.Path("/proc/self")
    (self / "setgroups").write_text("deny")
    (self / "uid_map").write_text(f"{NAMESPACE_USER} 0 1")
    (self / "gid_map").write_text(f"{NAMESPACE_USER} 0 1")
    return True


def _hand_over(owned: pathlib.Path) -> None:
    for folder, _, files in os.walk(owned):
        for path in (folder, *(os.path.join(folder, name) for name in files)):  # noqa: PTH118  # os.walk gives strings
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def _become(user: int, group: int) -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    with contextlib.suppress(PermissionError):
        os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    kept = 1 << CAP_DAC_OVERRIDE | 1 << CAP_FOWNER
    sets = (_Sets * 2)(_Sets(kept, kept, kept), _Sets(0, 0, 0))
    if libc.capset(ctypes.byref(_Header(LINUX_CAPABILITY_VERSION_3, 0)), sets) == 0:
        for capability in (CAP_DAC_OVERRIDE, CAP_FOWNER):
            libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)


if __name__ == "__main__":
    main(sys.argv[1:])
