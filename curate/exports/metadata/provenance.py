"""Tell where an exported dataset comes from, out of the record of its run: stages, models, prompts, funnel, columns."""

import ast
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from curate.dataset.manifest import Manifest, StageRecord
from curate.exports.selection import Selection
from curate.inspect.funnel import funnel
from curate.models.known import find_known
from curate.models.names import split_revision
from schemas.document import modules
from schemas.fields import describe

__all__ = [
    "Model",
    "Prompted",
    "Provenance",
    "models_of_stage",
    "prompts_of_stage",
    "provenance_of",
]

LITERAL: Final = r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
WEIGHTS: Final = re.compile(rf"Weights\({LITERAL}(?:, blake2b=([0-9a-f]+))?\)")
SERVER: Final = re.compile(rf"OpenAIServer\(model={LITERAL}")
PROMPT: Final = re.compile(rf"Prompt\(id={LITERAL}, text={LITERAL}")


@dataclass(frozen=True, slots=True)
class Model:
    """A model that a stage used; `revision` is a commit or release, or blake2b:DIGEST of files of the user's own.

    `revision` is empty where a server did not tell; `licence` is SPDX, or "unknown".
    """

    stage: str
    name: str
    revision: str
    licence: str


@dataclass(frozen=True, slots=True)
class Prompted:
    """A prompt that a stage asked a model with."""

    stage: str
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an export comes from; `funnel` are (what, samples) from the source to what is kept, then the exported.

    `documented` is for each column what its schema says: unit, null, doc; nothing of columns that have no schema here.
    `made_by` is for each column of a stage the place of that in the run, from 0; those of the source are made by none.
    """

    run: Manifest
    where: str | None
    samples: int
    funnel: Sequence[tuple[str, int]]
    models: Sequence[Model]
    prompts: Sequence[Prompted]
    documented: Mapping[str, Mapping[str, str]]
    made_by: Mapping[str, int]


def provenance_of(selection: Selection, samples: int) -> Provenance:
    """Return where the `samples` exported samples of a selection come from."""
    run = selection.view.run
    lines = [line for line in funnel(selection.view.store, run) if line[1] or line[0] in ("samples in", "kept")]
    condition = f"exported (where {selection.where})" if selection.where else "exported"
    stages = [stage for stage in run.stages if stage.id is not None]
    models = [model for stage in stages for model in models_of_stage(stage)]
    prompts = [prompt for stage in stages for prompt in prompts_of_stage(stage)]
    documented = {name: _documented()[name] for name in selection.columns.names if name in _documented()}
    made_by = {name: i for i, stage in enumerate(run.stages) for name in stage.schema().names}
    lines.append((condition, samples))
    return Provenance(run, selection.where, samples, lines, models, prompts, documented, made_by)


def models_of_stage(stage: StageRecord) -> Iterator[Model]:
    """Yield the models that a stage names, by name; what is behind a server is known by its name alone."""
    seen = set()
    for quoted, digest in WEIGHTS.findall(stage.repr):
        name, revision = split_revision(ast.literal_eval(quoted))
        seen.add((name, f"blake2b:{digest}" if digest else revision))
    seen |= {(ast.literal_eval(quoted), "") for quoted in SERVER.findall(stage.repr)}
    for name, revision in sorted(seen):
        known = find_known(name)
        yield Model(stage.name, name, revision, known.licence if known else "unknown")


def prompts_of_stage(stage: StageRecord) -> Iterator[Prompted]:
    """Yield the prompts of a stage that have an id, in their order."""
    for id_, text in dict.fromkeys(PROMPT.findall(stage.repr)):
        yield Prompted(stage.name, ast.literal_eval(id_), ast.literal_eval(text))


@functools.cache
def _documented() -> dict[str, dict[str, str]]:
    """Return what the schemas say of every column, by its name: the first that has it."""
    found: dict[str, dict[str, str]] = {}
    for module in modules():
        for schema in vars(module).values():
            for field in schema if isinstance(schema, pa.Schema) else ():
                found.setdefault(field.name, describe(field))
    return found
