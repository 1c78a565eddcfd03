"""Somebody at a terminal: commands in a process of their own, in a clean home, without network and without a GPU."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Said", "Terminal"]

ROOT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:9"  # nothing listens at this port: a machine without network says as much at once
KEPT = ("LANG", "PATH", "TMPDIR", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Said:
    """What a command said, how it ended and how long it took."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def error(self) -> str:
        """Its last line on stderr."""
        return (self.err.strip().splitlines() or [""])[-1]


@dataclass(frozen=True)
class Terminal:
    """A terminal whose home and working directory is `home`; `variables` come on top of a bare environment."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    def curate(self, *arguments: object, seconds: float = 600) -> Said:
        """Type `curate ARGUMENTS` and wait for its end."""
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "HF_ENDPOINT", "CURATE_ULTRALYTICS_URL"), NOWHERE)
        environment |= {"HOME": str(self.home), "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
        environment |= {"NO_PROXY": "127.0.0.1,localhost", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "curate.cli", *map(str, arguments)]
        started = time.monotonic()
        done = subprocess.run(
            command,
            cwd=self.home,
            env=environment | self.variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        return Said(done.returncode, done.stdout, done.stderr, time.monotonic() - started)
