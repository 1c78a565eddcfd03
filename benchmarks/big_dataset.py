"""A dataset of any size with the columns of a small one: `python -m benchmarks.big_dataset SMALL OUT`.

SMALL is the dataset of a finished run. OUT gets `source/`, a tar with ROWS samples taken in turn from the run, and a
link to it for every shard, and `dataset/`, the cells of the small dataset repeated for them. Then the same recipe runs
over it: only decisions are missing, so it takes the time of no model.
"""

import argparse
import io
import shutil
import tarfile
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import pyarrow as pa

from curate.dataset.cells import Cells
from curate.dataset.manifest import Manifest, latest
from curate.dataset.samples import sample_table
from curate.recipe import build, find_recipe
from curate.run.runner import RunRequest, run
from curate.sources import find_shards, scan
from curate.sources.shard import sample_uid
from curate.stages import SAMPLE_STAGE
from curate.storage.store import Store

__all__ = ["make_big"]

ROWS = 2_000  # samples of a shard


def make_big(small: Path, out: Path, samples: int) -> float:
    """Make OUT anew with at least `samples` samples and return the seconds that the run over it took."""
    store = Store(str(small))
    shutil.rmtree(out, ignore_errors=True)
    (out / "source").mkdir(parents=True)
    manifest = latest(store)
    shards = -(-samples // ROWS)
    first = out / "source" / "000000.tar"
    _write_tar(first, manifest)
    for number in range(1, shards):
        (first.parent / f"{number:06d}.tar").symlink_to(first.name)
    _write_cells(Cells(store), manifest, Cells(Store(str(out / "dataset"))), first)
    return _decide(manifest, out)


def _write_tar(path: Path, manifest: Manifest) -> None:
    """Write the members of the run's first tars, sample after sample, under new keys; from the start when they end."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for i, members in zip(range(ROWS), cycle(_samples(manifest.inputs)), strict=False):
            for extension, content in members:
                info = tarfile.TarInfo(f"{i:06d}.{extension}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def _samples(inputs: list[str]) -> Iterator[list[tuple[str, bytes]]]:
    for shard in find_shards(inputs):
        for sample in scan(shard):
            if sample.error is None:
                image = [] if sample.image is None else [(Path(sample.image_member or "").suffix[1:], sample.image)]
                texts = {"txt": sample.alt_text, "json": sample.metadata}
                yield image + [(name, text.encode()) for name, text in texts.items() if text is not None]


def _write_cells(small: Cells, manifest: Manifest, big: Cells, tar: Path) -> None:
    """Write for every shard the cells of the small dataset's rows, in turn, each under its own uid."""
    links = find_shards([str(tar.parent / "*.tar")])
    read = list(scan(find_shards([str(tar)])[0]))
    names = [shard.name for shard in manifest.shards(small.store)]
    sample = pa.concat_tables([part for name in names if (part := small.read(SAMPLE_STAGE, name)) is not None])
    readable = np.flatnonzero(sample["error_code"].is_null().to_numpy())  # what the tar holds
    cells = {}
    for stage in manifest.stages:
        if stage.id is not None:
            parts = [part for name in names if (part := small.read(stage.id, name)) is not None]
            cells[stage.id] = pa.concat_tables(parts).take(pa.array(np.resize(readable, len(read))))
    for link in links:
        uids = pa.array([sample_uid(link.name, sample.key) for sample in read], pa.string())
        rows = pa.array(np.arange(len(read), dtype=np.int32))
        for stage_id, table in cells.items():
            columns = {name: table[name] for name in table.column_names} | {"row": rows, "uid": uids}
            renamed = pa.table(columns, schema=table.schema).replace_schema_metadata(None)
            big.store.write_table(big.path(stage_id, link.name), renamed)
        big.store.write_table(big.path(SAMPLE_STAGE, link.name), sample_table(link.name, read, 0, {}))


def _decide(manifest: Manifest, out: Path) -> float:
    pipeline, parameters = build(find_recipe(manifest.recipe), [f"{k}={v}" for k, v in manifest.parameters.items()])
    started = time.monotonic()
    run(RunRequest(pipeline, [str(out / "source" / "*.tar")], str(out / "dataset"), manifest.recipe, parameters))
    return time.monotonic() - started


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("small", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, default=1_000_000)
    given = parser.parse_args()
    seconds = make_big(given.small, given.out, given.samples)
    print(f"{given.out / 'dataset'}: {given.samples:,} samples; its run took {seconds:.1f} s")


if __name__ == "__main__":
    main()
