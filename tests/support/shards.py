"""Small real tars for tests of the core."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from curate.pixels import encode_jpeg


def image(seed: int, side: int = 32) -> bytes:
    """Return a small JPEG that differs from seed to seed."""
    rng = np.random.default_rng(seed)
    return encode_jpeg(rng.integers(0, 255, (side, side, 3), dtype=np.uint8), 90)


def write_tar(path: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    """Write members as they are, in order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def write_shard(path: Path, texts: Sequence[str | None], extra: Mapping[str, object] | None = None) -> Path:
    """Write one sample per text (None: no .txt member), each with a small image and a .json member."""
    members = []
    for i, text in enumerate(texts):
        members.append((f"{i:04d}.jpg", image(i)))
        if text is not None:
            members.append((f"{i:04d}.txt", text.encode()))
        members.append((f"{i:04d}.json", json.dumps({"index": i, **(extra or {})}).encode()))
    return write_tar(path, members)
