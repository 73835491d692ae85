"""What a process gives up for good: files, sockets, other processes, more memory than it needs.

A seccomp filter allows the few system calls of computing, and of reading and writing the descriptors that are
open already; all others fail with EPERM. Source: Linux, `seccomp(2)`, `prctl(2)`, `setrlimit(2)`.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from errno import EFAULT, EPERM

MEMORY_BYTES_MAX = 2 * 1024**3
"""Address space of the process that executes, in bytes; a block of 4,000 transfers takes 47 MB."""

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_SECCOMP_MODE_FILTER = 2
_KILL, _REFUSE, _ALLOW = 0x8000_0000, 0x0005_0000 | EPERM, 0x7FFF_0000
_LOAD, _IF_EQUAL, _IF_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
"""The four instructions of classic BPF that the filter is made of."""
_NUMBER_AT, _MACHINE_AT, _PROTECTION_AT = 0, 4, 32
"""Where `struct seccomp_data` has the call, the machine, and the third argument's lower half."""
_PROT_EXEC = 4


_MACHINES = {"x86_64": (0, 0xC000_003E), "aarch64": (1, 0xC000_00B7)}
"""Which column of `_CALLS` is a machine's, and what the kernel calls the machine."""
_CALLS = {
    "read": (0, 63),
    "write": (1, 64),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "exit": (60, 93),
    "futex": (202, 98),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "exit_group": (231, 94),
}
"""What computing takes."""
_MAPPING_CALLS = {"mmap": (9, 222), "mprotect": (10, 226)}
"""Memory, as long as nothing in it becomes code."""
_LIMITS = {
    resource.RLIMIT_AS: MEMORY_BYTES_MAX,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_NOFILE: 0,  # what is open stays so
    resource.RLIMIT_NPROC: 0,
}


def confine() -> list[str]:
    """Give up everything but to compute and to use the open descriptors; the gaps that are left, in words.

    There is no way back. The caller has one thread, and has imported all that it will ever need.
    """
    missing = [*_set_limits()]
    problem = _filter_calls()
    return missing if problem is None else [*missing, problem]


def offered() -> str | None:
    """None where this system can filter system calls, else why not; changes nothing."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return f"system calls cannot be filtered on {sys.platform} {platform.machine()}"
    libc = ctypes.CDLL(None, use_errno=True)
    # A kernel that knows filters finds no program at address 0; another one knows no such mode.
    libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, None, 0, 0)
    error = ctypes.get_errno()
    return None if error == EFAULT else f"the kernel does not filter system calls: {os.strerror(error)}"


def _set_limits() -> list[str]:
    missing = []
    for limit, wanted in _LIMITS.items():
        _, hard = resource.getrlimit(limit)
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(limit, (value, value))
        except (OSError, ValueError) as error:
            missing.append(f"limit {limit} was not set: {error}")
    return missing


def _filter_calls() -> str | None:
    problem = offered()
    if problem is not None:
        return problem
    libc = ctypes.CDLL(None, use_errno=True)
    program = _program(platform.machine())
    code = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, head, 0, 0
    ):
        return f"the filter of system calls was refused: {os.strerror(ctypes.get_errno())}"
    return None


def _program(machine: str) -> bytes:
    """The filter; a jump counts how many instructions to leave out if it holds, and if not."""
    column, audit = _MACHINES[machine]
    mapping = [numbers[column] for numbers in _MAPPING_CALLS.values()]
    plain = [numbers[column] for numbers in _CALLS.values()]
    last = len(mapping) + len(plain) - 1
    lines = [
        (_LOAD, 0, 0, _MACHINE_AT),
        (_IF_EQUAL, 1, 0, audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        *((_IF_EQUAL, last - at + 1, 0, number) for at, number in enumerate(mapping)),
        *((_IF_EQUAL, last - at + 4, 0, number) for at, number in enumerate(plain, len(mapping))),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _PROTECTION_AT),  # where a mapping goes on
        (_IF_BITS, 0, 1, _PROT_EXEC),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),  # where the others go on
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
