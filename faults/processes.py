"""The processes of one `curate` command: started, watched, killed, and looked for afterwards."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

__all__ = ["ROOT", "Command", "curate", "last_words"]

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Command:
    """A running command and every process it ever had."""

    process: psutil.Popen
    children: dict[int, psutil.Process] = field(default_factory=dict)

    def living(self) -> list[psutil.Process]:
        """Return the living processes below the command, and remember them."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in self.process.children(recursive=True):
                self.children.setdefault(child.pid, child)
        return self.alive()

    def alive(self) -> list[psutil.Process]:
        return [each for each in self.children.values() if lives(each)]

    def named(self, *words: str) -> list[psutil.Process]:
        """Return the living processes whose title or command line holds one of the words."""
        named = []
        for each in self.living():
            with contextlib.suppress(psutil.Error):
                if any(word in " ".join(each.cmdline()) for word in words):
                    named.append(each)
        return named

    def wait(self, until: Callable[[], bool], seconds: float = 240.0) -> bool:
        """Wait for a condition; False if the command ended first."""
        end, turns = time.monotonic() + seconds, 0
        while not until():
            if self.process.poll() is not None:
                return False
            if time.monotonic() > end:
                raise TimeoutError(" ".join(self.process.args))
            turns += 1
            if turns % 50 == 1:
                self.living()
            time.sleep(0.002)
        return True

    def finish(self, seconds: float = 300.0) -> tuple[int, str]:
        """Wait for the end, once, and return exit code and what it wrote to stderr."""
        self.wait(lambda: False, seconds)
        with self.process.stderr as stderr:
            return self.process.returncode, stderr.read()

    def orphans(self, seconds: float = 30.0) -> list[str]:
        """Return the command lines of processes that outlive the command by more than `seconds`."""
        end = time.monotonic() + seconds
        while (left := self.alive()) and time.monotonic() < end:
            time.sleep(0.1)
        return [" ".join(each.cmdline())[:80] for each in left if lives(each)]


def lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def curate(*arguments: object) -> Command:
    """Start `curate ARGUMENTS` in a session of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "curate.cli", *map(str, arguments)]
    pipes: dict[str, Any] = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.PIPE,
        "text": True,
        "start_new_session": True,
    }
    return Command(psutil.Popen(command, cwd=ROOT, env=environment, preexec_fn=hear_sigint, **pipes))


def last_words(stderr: str) -> str:
    """Return what the user reads at the end: our sentence, or the last line of whatever came instead."""
    lines = [line for line in stderr.strip().splitlines() if line.strip()] or [""]
    return next((line for line in reversed(lines) if line.startswith(("error: ", "stopped; "))), lines[-1])


def hear_sigint() -> None:
    """Undo what a shell does to commands in its background: they ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
