"""Processes that must not outlive us."""

import subprocess
from collections.abc import Callable, Sequence

__all__ = ["kill_with_parent"]


def kill_with_parent(pids: Sequence[int]) -> Callable[[], None]:
    """Start a watcher that kills `pids` if this process dies, however, before it calls what is returned.

    vLLM's engine process notices neither a killed nor a crashed parent, and would keep its memory.
    """
    command = ["sh", "-c", 'read -r _ || kill -9 "$@"', "leash", *map(str, pids)]  # read fails when our end closes
    watcher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)

    def release() -> None:
        watcher.communicate(b"released\n")

    return release
