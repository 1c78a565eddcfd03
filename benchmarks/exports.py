"""How fast exports are written: samples and bytes a second, beside plain writers of tars, on the same images.

`python -m benchmarks.exports --samples 8000` makes tars of 50 KB images, runs a pipeline that measures nothing over
them, and exports it with one worker and with two, on a Ray that is up. Beside it: tarfile and webdataset's ShardWriter,
which get the images from memory and write image, txt and json; Ray Data, which reads the same tars. Every contestant
starts with the source in the page cache; ours also reads and checks the images, and syncs its files.
"""

import argparse
import io
import json
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from curate.exports.export import export
from curate.exports.formats.webdataset import WebDataset
from curate.exports.settings import ExportSettings
from curate.pipeline import Pipeline
from curate.run.runner import run
from curate.run.spec import RunRequest
from curate.storage.store import Store

__all__ = ["main"]

IMAGE_BYTES = 50_000
SHARD = 1_000
QUIET = Console(quiet=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=8_000)
    parser.add_argument("--times", type=int, default=3, help="the best of so many")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="curate-exports-") as name:
        folder = Path(name)
        write_source(folder / "source", options.samples)
        store = Store(str(folder / "dataset"))
        sources = [str(folder / "source" / "*.tar")]
        run(RunRequest(Pipeline([]), sources, store.root, "bench", local=True), QUIET)
        contest(folder, store, options.samples, options.times)


def contest(folder: Path, store: Store, samples: int, times: int) -> None:
    """Time every contestant and print a row for each."""
    import ray

    images = [image(i) for i in range(samples)]
    line = Console(width=100)

    def row(name: str, write: Callable[[Path], object]) -> float:
        seconds = min(timed(write, folder / "out") for _ in range(times))
        size = samples * IMAGE_BYTES / 1e6
        line.print(f"{name:<36} {seconds:6.2f} s {samples / seconds:>8,.0f} samples/s {size / seconds:>6,.0f} MB/s")
        return samples / seconds

    plain = row("tarfile, from memory", lambda out: write_plain(out, images))
    row("webdataset ShardWriter, from memory", lambda out: write_shards(out, images))
    one = row("curate export, 1 worker", lambda out: ours(store, out, 1))
    ray.init(address="local", include_dashboard=False, logging_level="error", log_to_driver=False, num_cpus=2)
    ours(store, folder / "warm", 2)
    two = row("curate export, 2 workers", lambda out: ours(store, out, 2))
    row("Ray Data write_webdataset, 2 cores", lambda out: write_ray(folder / "source", out))
    ray.shutdown()
    Console(width=100).print(
        f"of tarfile's speed: {one / plain:.2f} with one worker, {two / plain / 2:.2f} each with two"
    )


def timed(write: Callable[[Path], object], out: Path) -> float:
    """Return the seconds that a writer takes."""
    shutil.rmtree(out, ignore_errors=True)
    start = time.perf_counter()
    write(out)
    return time.perf_counter() - start


def image(i: int) -> bytes:
    """Return bytes of the length of an image, none like another; nobody decodes them here."""
    return b"\xff\xd8\xff\xe0" + np.random.default_rng(i).bytes(IMAGE_BYTES - 4)


def write_source(folder: Path, samples: int) -> None:
    """Write tars of images with a text each."""
    for start in range(0, samples, SHARD):
        write_tar(
            folder / f"{start // SHARD:05d}.tar", [(i, image(i)) for i in range(start, min(start + SHARD, samples))]
        )


def write_plain(out: Path, images: Sequence[bytes]) -> None:
    """Write tars with the standard library."""
    for start in range(0, len(images), SHARD):
        write_tar(out / f"{start // SHARD:06d}.tar", list(enumerate(images[start : start + SHARD], start)))


def write_tar(path: Path, samples: Sequence[tuple[int, bytes]]) -> None:
    """Write one tar of image, txt and json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for i, data in samples:
            for extension, content in (("jpg", data), ("txt", text(i)), ("json", document(i))):
                info = tarfile.TarInfo(f"{i:09d}.{extension}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def write_shards(out: Path, images: Sequence[bytes]) -> None:
    """Write tars with webdataset."""
    import webdataset

    out.mkdir(parents=True)
    with webdataset.ShardWriter(f"{out}/%06d.tar", maxcount=SHARD, verbose=0) as writer:
        for i, data in enumerate(images):
            writer.write({"__key__": f"{i:09d}", "jpg": data, "txt": text(i).decode(), "json": document(i)})


def write_ray(source: Path, out: Path) -> None:
    """Copy tars with Ray Data."""
    import ray

    ray.data.DataContext.get_current().enable_progress_bars = False
    ray.data.read_webdataset(str(source), decoder=None).write_webdataset(str(out), encoder=None)


def ours(store: Store, out: Path, workers: int) -> None:
    """Export with so many processes."""
    export(store, WebDataset(), str(out), settings=ExportSettings(workers=workers))


def text(i: int) -> bytes:
    """Return what the page says of an image."""
    return f"a photo of thing {i}, taken from afar".encode()


def document(i: int) -> bytes:
    """Return the metadata of a sample."""
    return json.dumps({"key": i, "url": f"https://example.org/{i}.jpg", "width": 640, "height": 480}).encode()


if __name__ == "__main__":
    main()
