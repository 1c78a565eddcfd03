"""Kill child processes when their parent dies."""

import subprocess
from collections.abc import Callable, Sequence

__all__ = ["kill_with_parent"]


def kill_with_parent(pids: Sequence[int]) -> Callable[[], None]:
    """Start a watcher that kills `pids` if this process dies, however it does, before it calls what is returned.

    vLLM's engine process notices neither a killed nor a crashed parent, and would keep its memory.
    """
    script = 'read -r _ || kill -9 "$@"'  # read fails when our end of the pipe closes
    command = ["sh", "-c", script, "kill_with_parent", *map(str, pids)]
    watcher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)

    def release() -> None:
        watcher.communicate(b"released\n")

    return release
