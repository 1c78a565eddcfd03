"""Group the error rows of a dataset, and give the command that measures them again."""

import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from curate.dataset.manifest import Manifest, latest
from curate.inspect.tables import printable
from curate.recipe import known_recipes
from curate.storage.store import Store

__all__ = ["By", "Failure", "failures", "failures_table"]

By: TypeAlias = Literal["code", "stage", "shard"]

LONGEST_MESSAGE = 120  # characters: messages may quote anything
MOST_GROUPS = 50


@dataclass(slots=True)
class Failure:
    """Error rows of one kind: how many, the most attempts any had, and one of them as an example."""

    stage: str
    code: str
    shard: str
    count: int
    attempt: int
    message: str
    uid: str


def failures(store: Store, by: By = "code") -> list[Failure]:
    """Return the error rows of a dataset in groups, the largest first.

    "code" groups by stage and code, "stage" by stage alone, "shard" by shard, stage and code. All runs count: an
    error stands until its stage has measured the sample.
    """
    groups: dict[tuple[str, ...], Failure] = {}
    for row in _rows(store):
        stage, code, shard = row["stage"], row["error_code"], row["shard"]
        key = {"code": (stage, code), "stage": (stage,), "shard": (shard, stage, code)}[by]
        if group := groups.get(key):
            group.count += 1
            group.attempt = max(group.attempt, row["attempt"])
            group.code = group.code if group.code == code else "several"
            group.shard = group.shard if group.shard == shard else "several"
        else:
            groups[key] = Failure(stage, code, shard, 1, row["attempt"], row["error_message"], row["uid"])
    return sorted(groups.values(), key=lambda each: (-each.count, each.stage, each.code, each.shard))


def failures_table(store: Store, by: By = "code") -> RenderableType:
    """Return the groups as a table, and below it the command that measures the commonest again."""
    manifest, groups = latest(store), failures(store, by)
    if not groups:
        return Text("no errors")
    table = Table(box=None, pad_edge=False)
    for name in ("samples", "stage", "code", "shard", "attempts", "for example", "uid"):
        table.add_column(name, justify="right" if name in {"samples", "attempts"} else "left", overflow="fold")
    for each in groups[:MOST_GROUPS]:
        message = printable(each.message)[:LONGEST_MESSAGE]
        cells = (each.stage, each.code, printable(each.shard), str(each.attempt), message, each.uid[:12])
        table.add_row(f"{each.count:,}", *(Text(cell) for cell in cells))
    code = next((each.code for each in groups if each.code != "several"), "CODE")
    tail = f"{sum(each.count for each in groups):,} samples in {len(groups):,} groups; measure them again with:"
    return Group(table, Text(f"{tail}\n  {retry_command(store, manifest, code)}"))


def retry_command(store: Store, manifest: Manifest, code: str) -> str:
    """Return the command line that measures again what failed with a code, by the recipe of a run.

    A manifest keeps the name of a recipe, not the file of one that lies outside `pipelines/`.
    """
    recipe = manifest.recipe if manifest.recipe in known_recipes() else f"path/to/file.py:{manifest.recipe}"
    words: list[Any] = ["curate", "retry", recipe]
    for url in manifest.inputs:
        words += ["--input", url]
    words += ["--dataset", store.root]
    for name, value in manifest.parameters.items():
        words += ["-p", f"{name}={value}"] if value is not None else []
    if manifest.limit is not None:
        words += ["--limit", manifest.limit]
    return shlex.join(map(str, [*words, "--code", code]))


def _rows(store: Store) -> Iterator[dict[str, Any]]:
    with ThreadPoolExecutor(8) as threads:
        for table in threads.map(lambda name: store.read_table(f"errors/{name}"), store.list("errors")):
            yield from table.to_pylist()
