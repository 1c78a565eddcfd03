"""Tell by the form of a model's name which hub knows it."""

import re
from pathlib import Path
from typing import Final, Literal

__all__ = ["Hub", "hub_of", "is_path", "split_revision"]

Hub = Literal["huggingface", "ultralytics", "url", ""]

FILES: Final = (".bin", ".json", ".onnx", ".pt", ".pth", ".safetensors", ".ts")
ASSETS: Final = (".pt", ".ts")
HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


def hub_of(name: str) -> Hub:
    """Return the hub that a name without its revision belongs to; "" for a name that only a package can look up.

    >>> [hub_of(name) for name in ("Qwen/Qwen3-VL-8B-Instruct", "yolo11x.pt", "https://a.org/b.pt", "openai")]
    ['huggingface', 'ultralytics', 'url', '']
    """
    if name.startswith(("https://", "http://")):
        return "url"
    if "/" not in name and name.endswith(ASSETS):
        return "ultralytics"
    return "huggingface" if HUB_ID.fullmatch(name) and ".." not in name else ""


def is_path(where: str) -> bool:
    """Tell a path from a name: `yolo11x.pt`, with no such file here, is a name that ultralytics knows."""
    if where.startswith(("https://", "http://", "hf-hub:")):
        return False
    if where.startswith((".", "/", "~")) or Path(where).exists():
        return True
    return Path(where).suffix in FILES and ("/" in where or not where.endswith(ASSETS))


def split_revision(where: str) -> tuple[str, str]:
    """Return a name and the revision that it is given with, "" without one.

    >>> split_revision("org/model@0c351dd"), split_revision("org/model")
    (('org/model', '0c351dd'), ('org/model', ''))
    """
    if where.startswith(("https://", "http://")):
        return where, ""
    name, _, revision = where.partition("@")
    return name, revision
