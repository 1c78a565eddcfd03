"""Write the parts of an export that are not there yet, here or on Ray."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from curate.errors import CurateError
from curate.exports.layout import OWN, PartFacts, Writer, Wrote
from curate.exports.pictures import Pictures
from curate.exports.planning import PlannedPart
from curate.exports.reading import PartReader, Rows, needed_columns, view_of
from curate.exports.settings import ExportSettings
from curate.inspect.view import View
from curate.storage.store import Store

__all__ = ["PARTS", "Job", "finished_part", "part_facts", "part_file", "workers_for", "write_missing", "written_parts"]

PARTS = f"{OWN}/parts"
"""Folder of one small file for each part, written last: a part with it is complete."""
MOST_PARTS: Final = 16  # of one task: what it reads of the cells serves them all
SMALL_SECONDS: Final = 20  # of work for one process: Ray takes five to start, and as long to stop its workers' imports
BYTES_PER_SECOND, SAMPLES_PER_SECOND = 300e6, 8_000.0  # of one process, benchmarks/exports.py


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker must know to write parts; `identity` tells an export from one with other options or verdicts."""

    view: View
    writer: Writer
    columns: pa.Schema
    pictures: Pictures
    boxes: tuple[str, ...]
    root: str
    identity: str


def workers_for(planned: Sequence[PlannedPart], settings: ExportSettings) -> int | None:
    """Return how many processes write an export: 1 is this one, without Ray; None is all of Ray's cores."""
    if settings.workers is not None:
        return settings.workers
    seconds = sum(p.image_bytes / BYTES_PER_SECOND + len(p.rows) / SAMPLES_PER_SECOND for p in planned)
    return None if settings.address or (seconds > SMALL_SECONDS and len(planned) > 1) else 1


def part_file(key: str) -> str:
    """Return where it is written that a part is complete."""
    return f"{PARTS}/{key}.json"


def written_parts(store: Store, identity: str) -> set[str]:
    """Return the keys of the parts that are complete; those of another export are not."""
    names = [name.removesuffix(".json") for name in store.list(PARTS)]
    return {name for name in names if finished_part(store, name).get("identity") == identity}


def finished_part(store: Store, key: str) -> dict[str, Any]:
    """Return what is known of a complete part."""
    facts: dict[str, Any] = json.loads(store.read_bytes(part_file(key)))
    return facts


def write_missing(
    job: Job, missing: Sequence[PlannedPart], settings: ExportSettings, done: Callable[[PlannedPart], None]
) -> None:
    """Write parts, calling `done` after each; raises the first CurateError, after which some may be complete."""
    workers = workers_for(missing, settings)
    if not missing:
        return
    if workers == 1:
        for part in _write(job, missing):
            done(part)
    else:
        _write_on_ray(job, missing, workers, settings.address, done)


def _write(job: Job, parts: Sequence[PlannedPart]) -> Iterator[PlannedPart]:
    """Write parts one after another; shards are numbered as in the job's view."""
    columns = needed_columns(job.view, job.writer.reads, job.columns, job.boxes)
    with closing(job.view.connect()) as connection:
        rows = Rows(job.view, connection, columns)
        for part in parts:
            _write_part(job, rows, part)
            yield part


def _write_part(job: Job, rows: Rows, planned: PlannedPart) -> None:
    store, reads = Store(job.root), job.writer.reads
    names = job.columns.names if reads.columns is None else ["uid", *reads.columns]
    wanted = [name for name in dict.fromkeys(names) if name in rows.columns]
    shards = [job.view.shards[i] for i in planned.shards]
    reader = PartReader(rows, shards, planned, reads, wanted, job.pictures, job.boxes)
    wrote = job.writer.write(store, planned.part, reader.batches())
    facts = {"identity": job.identity, **_facts(wrote), "errors": reader.errors, "changes": reader.changes}
    facts["given"] = _gaps(reader)
    store.write_bytes(part_file(planned.part.key), json.dumps(facts, separators=(",", ":")).encode())


def _facts(wrote: Wrote) -> dict[str, Any]:
    """Return what the driver needs of a part: locations as columns, files by number, -1 for none."""
    names = list(dict.fromkeys(each.file for each in wrote.locations if each))
    numbers = {name: i for i, name in enumerate(names)}
    return {
        "files": wrote.files,
        "facts": wrote.facts,
        "samples": sum(each is not None for each in wrote.locations),
        "names": names,
        "file": [-1 if each is None else numbers[each.file] for each in wrote.locations],
        "offset": [-1 if each is None or each.offset is None else each.offset for each in wrote.locations],
        "size": [0 if each is None else each.size_bytes for each in wrote.locations],
    }


def _gaps(reader: PartReader) -> list[int] | None:
    """Return the places of the samples that the writer got; None if it got them all."""
    return None if len(reader.given) == len(reader.planned.rows) else reader.given


def part_facts(planned: PlannedPart, facts: dict[str, Any]) -> PartFacts:
    """Return what a writer's `finish` is told of a part."""
    return PartFacts(planned.part, facts["files"], facts["samples"], facts["facts"])


def _write_on_ray(
    job: Job,
    missing: Sequence[PlannedPart],
    workers: int | None,
    address: str | None,
    done: Callable[[PlannedPart], None],
) -> None:
    """Write parts by Ray tasks of one core, a few neighbours each; twice as many tasks wait as cores work."""
    import ray

    from curate.run.ray_plan import cluster, ray_errors

    with ray_errors(), cluster(address):
        count = workers or int(ray.cluster_resources().get("CPU", 1))
        size = max(1, min(MOST_PARTS, len(missing) // (4 * count)))
        task = ray.remote(num_cpus=1, max_retries=3)(_write_some)
        waiting = iter([missing[i : i + size] for i in range(0, len(missing), size)])
        running: dict[Any, Sequence[PlannedPart]] = {}
        more = True
        while more or running:
            while more and len(running) < (count if workers else 2 * count):
                if (some := next(waiting, None)) is None:
                    more = False
                else:
                    running[task.remote(*_sent(job, some))] = some
            finished, _ = ray.wait(list(running), num_returns=1) if running else ([], [])
            for each in finished:
                if (error := ray.get(each)) is not None:
                    raise error
                for part in running.pop(each):
                    done(part)


def _sent(job: Job, parts: Sequence[PlannedPart]) -> tuple[Job, list[PlannedPart]]:
    """Return a job with the shards of some parts only, and the parts with the numbers that these have there."""
    shards = sorted({i for part in parts for i in part.shards})
    numbers = {shard: i for i, shard in enumerate(shards)}
    small = replace(job, view=view_of(job.view, shards))
    return small, [PlannedPart(p.part, tuple(numbers[i] for i in p.shards), p.of, p.rows, p.image_bytes) for p in parts]


def _write_some(job: Job, parts: Sequence[PlannedPart]) -> CurateError | None:
    """Write parts in a worker; a CurateError is what it returns, so that Ray does not wrap it."""
    try:
        for _ in _write(job, parts):
            pass
    except CurateError as error:
        return error
    return None
