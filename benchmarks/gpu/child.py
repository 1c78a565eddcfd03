"""Run one step, given as JSON, in this process, and write what it measures: STEP OUT SCALE WORK."""

import importlib
import importlib.util
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from benchmarks.gpu.machine import has_gpu, machine
from benchmarks.gpu.step import SCALES, Measure, Setting, Step
from curate.engines.vllm_process import plugins

__all__ = ["run_step", "write"]


def run_step(step: Step, setting: Setting, path: Path) -> None:
    """Measure, and write the JSON anew after each line; what the step raises is raised."""
    measure: Measure = _find(step.measure)
    start = time.monotonic()
    record: dict[str, Any] = {
        "step": step.name,
        "about": step.about,
        "status": "running",
        "scale": setting.scale.name,
        **machine(),
        "seconds": 0.0,
        "figures": [],
    }
    write(path, record)
    for row in measure(setting):
        record["figures"].append(row)
        record["seconds"] = round(time.monotonic() - start, 1)
        write(path, record)
    write(path, {**record, "status": "done", "seconds": round(time.monotonic() - start, 1)})


def write(path: Path, record: dict[str, Any]) -> None:
    """Write a step's JSON so that it appears whole."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    part.rename(path)


def _find(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def main(step: str, out: str, scale: str, work: str) -> None:
    """Run the step; vLLM is set up for all contestants alike."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_PLUGINS", plugins())
    if importlib.util.find_spec("flashinfer") is None:
        os.environ.setdefault("VLLM_USE_FLASHINFER_SAMPLER", "0")  # which is on by default, and then ends vLLM 0.24
    chosen = Step(**json.loads(step))
    Path(work).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work, ignore_cleanup_errors=True) as scratch:
        setting = Setting(SCALES[scale], has_gpu(), Path(work), Path(scratch))
        run_step(chosen, setting, Path(out) / f"{chosen.name}.json")


if __name__ == "__main__":
    code = 1
    try:
        main(*sys.argv[1:])
        code = 0
    except Exception:  # noqa: BLE001 (a step runs everything there is; what it raised is its log's last line)
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code)  # waits for no destructor of an engine: the runner ends what is left behind
