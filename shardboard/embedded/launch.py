"""The first code of every child process: ties its life to its parent's, then becomes the real program.

Run as a script by `child.spawn`, outside any package, so that nothing but the standard library is loaded. A script
and not a `preexec_fn`, which may dead-lock in a process that has threads."""

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
NOBODY = 65534
# What a shell answers for a program that cannot be run.
EXIT_NOT_RUN = 126


def main(argv: list[str]) -> int:
    """`launch.py PARENT_PID own-user|as-nobody PROGRAM ARGUMENT…`; returns only when the program could not be run."""
    parent_pid, user, program = int(argv[1]), argv[2], argv[3:]
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if user == "as-nobody":
            _look_like_nobody(libc)
        # After the change of user, which clears it.
        _checked(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
        if os.getppid() != parent_pid:  # it died before the signal was armed
            return EXIT_NOT_RUN
        os.execvp(program[0], program)  # noqa: S606
    except OSError as error:
        sys.stderr.write(f"launch: {program[0]}: {error}\n")
    return EXIT_NOT_RUN


def _look_like_nobody(libc: ctypes.CDLL) -> None:
    """Enter a user namespace that shows root as `nobody`: files stay root's, programs that refuse root run."""
    _checked(libc.unshare(CLONE_NEWUSER), "unshare (user namespaces are not allowed here)")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {0} 1")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {0} 1")


def _checked(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
