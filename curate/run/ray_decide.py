"""Decide on shards on a cluster: filters are replayed over kept columns by every core of it."""

from collections.abc import Sequence
from typing import Any

import ray

from curate.errors import CurateError
from curate.run.commit import commit_finished
from curate.run.ray_map import own_code
from curate.run.ray_worker import check_code
from curate.run.spec import RunSpec
from curate.sources.shard import Shard
from curate.storage.lock import fenced

__all__ = ["commit_on_ray"]

SHARDS_PER_TASK = 200


def commit_on_ray(spec: RunSpec, shards: Sequence[Shard]) -> list[Shard]:
    """Commit the shards of which nothing is pending; return the others, in order, as `commit_finished` does.

    Raises CurateError if a shard cannot be decided; what was committed is kept.
    """
    task: Any = ray.remote(num_cpus=1)(_decide)
    sent = ray.put(spec)
    parts = [shards[start : start + SHARDS_PER_TASK] for start in range(0, len(shards), SHARDS_PER_TASK)]
    left: list[Shard] = []
    for found, sentence in ray.get([task.remote(sent, part) for part in parts]):
        if sentence is not None:
            raise CurateError(sentence)
        left += found
    return left


def _decide(spec: RunSpec, shards: Sequence[Shard]) -> tuple[list[Shard], str | None]:
    """Run in a task; an error of the project comes back as its sentence, as Ray keeps only the text of an exception."""
    try:
        check_code(own_code(), spec.code)
        with fenced(spec.cells.store, spec.token):
            return commit_finished(spec, shards), None
    except CurateError as error:
        return [], str(error)
