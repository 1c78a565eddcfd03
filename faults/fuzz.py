"""Feed damaged bytes to the readers: `python -m faults.fuzz --seconds 60`.

Good files are damaged at random (bits, cuts, repeats, numbers at their limits) and read. Allowed are samples,
SampleError, SourceError and, for the schema of a Parquet file, PlanError. Anything else is a finding, as is a case of
over 20 s or a process of over 4 GiB: its bytes are kept. One seed gives the same cases on every machine.
"""

import argparse
import faulthandler
import io
import json
import random
import resource
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curate.dataset.samples import sample_table
from curate.errors import PlanError, SampleError, SourceError
from curate.pixels import decode, probe
from curate.sources import count, fetch, scan
from curate.sources.shard import Shard
from curate.sources.texts import caption_in, read_metadata, read_text
from faults.files import FORMATS, animation, encode, image, jpeg, tar_bytes, turned

__all__ = ["Target", "damage", "fuzz", "main", "targets"]

LONGEST_SECONDS = 20
MOST_BYTES = 4 << 30
WIDTHS = (1, 2, 4, 8)


@dataclass(slots=True)
class Target:
    """A reader, good files to start from, and what came of it so far."""

    name: str
    read: Callable[[bytes], str]
    seeds: Sequence[bytes]
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0

    def run(self, data: bytes) -> None:
        """Read one file; raises whatever the reader must not raise."""
        start = time.perf_counter()
        faulthandler.dump_traceback_later(LONGEST_SECONDS, exit=True)
        try:
            self.outcomes[self.read(data)] += 1
        except (SampleError, SourceError, PlanError) as error:
            self.outcomes[type(error).__name__] += 1
        finally:
            faulthandler.cancel_dump_traceback_later()
            self.slowest_seconds = max(self.slowest_seconds, time.perf_counter() - start)


def damage(rng: random.Random, seed: bytes) -> bytes:
    """Return a file with one to five things wrong."""
    data = bytearray(seed)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(data) + 1)
        width = rng.choice(WIDTHS)
        number = rng.choice((0, 1, 2 ** (8 * width - 1), 2 ** (8 * width) - 1, rng.getrandbits(8 * width)))
        match rng.randrange(6):
            case 0:
                data[at : at + 1] = bytes([rng.getrandbits(8)])
            case 1:
                data[at : at + width] = number.to_bytes(width, rng.choice(("big", "little")))
            case 2:
                del data[at : at + rng.choice((1, 7, 512, len(data)))]
            case 3:
                data[at:at] = rng.randbytes(rng.choice((1, 3, 512)))
            case 4:
                data[at:at] = data[at : at + rng.choice((4, 64, 512))] * rng.choice((1, 2, 50))
            case 5:
                other = rng.randrange(len(data) + 1)
                data[at:at] = data[other : other + rng.choice((8, 512))]
    return bytes(data)


def targets(folder: Path) -> list[Target]:
    """Return the readers of tars, Parquet files, images and texts; `folder` takes one file at a time."""
    sample = {"a.jpg": jpeg(), "a.txt": b"a caption", "a.json": b'{"caption": "x", "n": [1, {"y": null}]}'}
    many = [
        (f"d/{i}.{ext}", data) for i in range(4) for ext, data in (("png", b"x" * 700), ("txt", b"t"), ("json", b"{}"))
    ]
    tars = [
        tar_bytes(sample),
        tar_bytes(many),
        tar_bytes({"n" * 200 + ".jpg": b"x", **sample}, 2),
        tar_bytes(sample, 1),
    ]
    images = [encode(image(), kind) for kind in FORMATS] + [turned(6), animation(), animation(kind="WEBP")]
    texts = [
        sample["a.json"],
        b'{"a":' * 50 + b"1" + b"}" * 50,
        "é\ud7ff".encode(),
        b'"\\ud800"',
        b"[1e999, NaN, -Infinity]",
    ]
    return [
        Target("tar", lambda data: _shard(folder, "tar", data), tars),
        Target("tar.gz", lambda data: _shard(folder, "tar", data), [tar_bytes(sample, mode="w:gz")]),
        Target(
            "parquet", lambda data: _shard(folder, "parquet", data), [_parquet(codec) for codec in ("none", "zstd")]
        ),
        Target("image", _image, images),
        Target("text", _text, texts),
    ]


def _shard(folder: Path, kind: str, data: bytes) -> str:
    path = folder / f"case.{kind}"
    path.write_bytes(data)
    shard = Shard("case", kind, str(path), len(data))
    samples = list(scan(shard))
    count(shard)
    if samples:
        list(fetch(shard, sample_table("case", samples, 0, {})))
    return "samples" if any(sample.error is None for sample in samples) else "nothing usable"


def _parquet(codec: str) -> bytes:
    buffer = io.BytesIO()
    table = pa.table({"image": [jpeg()] * 5, "caption": ["a", None, "c", "d", "e"], "n": [[1], [], None, [2], [3]]})
    pq.write_table(table, buffer, compression=codec, row_group_size=2)
    return buffer.getvalue()


def _image(data: bytes) -> str:
    header = probe(data)
    pixels = decode(data, 16)
    if pixels.dtype != "uint8" or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise AssertionError(f"{header} decoded to {pixels.dtype}{pixels.shape}")
    return header.format


def _text(data: bytes) -> str:
    text, value = read_metadata(data)
    caption_in(value)
    if text is not None:
        json.loads(text)
    read_text(data, len(data))[0].encode()
    return "text" if text is None else "json"


def main(arguments: Sequence[str] | None = None) -> None:
    """Fuzz for some seconds and print what came of it; a finding ends it with its traceback."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    rng, end = random.Random(options.seed), time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory() as folder:
        fuzz(targets(Path(folder)), rng, end)


def fuzz(all_targets: Sequence[Target], rng: random.Random, end: float) -> None:
    """Read damaged files until the monotonic clock says `end`; the last one stays in the temp folder."""
    case = Path(tempfile.gettempdir(), "curate-fuzz-case")
    while time.monotonic() < end:
        for target in all_targets:
            data = damage(rng, rng.choice(target.seeds))
            case.write_bytes(data)
            try:
                target.run(data)
            except BaseException as error:
                print(f"finding in {target.name}: {type(error).__name__}; the bytes are in {case}")
                raise
    for target in all_targets:
        outcomes = ", ".join(f"{name} {n:,}" for name, n in target.outcomes.most_common())
        print(
            f"{target.name:8} {target.outcomes.total():8,} cases, slowest {target.slowest_seconds:5.2f} s: {outcomes}"
        )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


if __name__ == "__main__":
    main()
