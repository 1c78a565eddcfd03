"""Show which models a recipe needs and where they are, and fetch them into a folder."""

from collections.abc import Callable
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from curate.engines.openai_server import OpenAIServer
from curate.errors import PlanError
from curate.inspect.tables import printable
from curate.models.extras import MissingExtraError
from curate.models.fetch import fetch, size_text
from curate.models.known import find_known
from curate.models.needed import LIBRARIES, HoldsModels, Needed, needed_of
from curate.models.places import INDEX, main_here, models_folder, own_folder
from curate.pipeline import Pipeline, engines_of
from curate.run.models import models_of
from curate.stages import stage_name

__all__ = ["check_names", "fetch_models", "models_table"]


def check_names(pipeline: Pipeline) -> None:
    """Raise PlanError if a stage names a model that there is not; a package that is not installed is no hindrance.

    So models can be fetched by a machine that will never run them.
    """
    for expert in pipeline.experts:
        if isinstance(expert, HoldsModels) or needed_of(expert):
            try:
                expert.check()
            except MissingExtraError:
                continue


def models_table(pipeline: Pipeline) -> RenderableType:
    """Return the models of a pipeline as a table: stages, model, size, licence, revision, and where it is."""
    table = Table(box=None, pad_edge=False)
    for title in ("stage", "model", "size", "licence", "revision", "where"):
        table.add_column(title, justify="right" if title == "size" else "left", overflow="fold")
    for needed, stages in models_of(pipeline).items():
        row = (
            ", ".join(stages),
            _name(needed),
            _size(needed),
            needed.licence,
            _revision(needed),
            _where(needed),
        )
        table.add_row(*(printable(cell, 300) for cell in row))
    for names, server in _servers(pipeline):
        table.add_row(names, printable(server.model, 300), "", "", "", f"behind {', '.join(server.urls)}")
    if not table.row_count:
        return Text("no models: this recipe measures without any")
    return table


def fetch_models(pipeline: Pipeline, recipe: str, folder: Path, tell: Callable[[str], None]) -> RenderableType:
    """Fetch every model of a pipeline into a folder and return how to use it; what is there and whole stays.

    Raises HubError at the first that cannot be had: the same command goes on from there.
    """
    folder = folder.expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PlanError(f"the models folder {folder} cannot be made: {error.strerror}") from error
    remote = [needed for needed in models_of(pipeline) if not needed.weights.is_local()]
    indices = [fetch(needed, folder, tell) for needed in remote]
    total = sum(file.bytes for index in indices for file in index.files)
    licences = sorted({index.licence for index in indices})
    return Group(
        Text(f"{len(indices)} models, {size_text(total)}, in {folder}; licences: {', '.join(licences) or 'none'}"),
        Text(f"use them, with no network: curate run {recipe} ... --models {folder}"),
        Text(f"or for all commands: export CURATE_MODELS={folder}"),
    )


def _name(needed: Needed) -> str:
    if needed.weights.is_local():
        return Path(needed.weights.where).name
    return needed.weights.where + (" (tokenizer)" if needed.part == "tokenizer" else "")


def _revision(needed: Needed) -> str:
    """Return the revision, short; of a name without one what stands for main here."""
    weights = needed.weights
    if weights.is_local() or weights.revision:
        return weights.revision[:12]
    return f"main, {main_here(weights.where)[:12] or 'not known yet'}"


def _size(needed: Needed) -> str:
    found = needed.found()
    if found is not None:
        files = [path for path in found.rglob("*") if path.is_file()] if found.is_dir() else [found]
        return size_text(sum(path.stat().st_size for path in files if path.name != INDEX))
    known = find_known(needed.weights.where)
    return size_text(known.bytes) if known and known.bytes else "unknown"


def _where(needed: Needed) -> str:
    found = needed.found()
    if found is None:
        return "not here"
    if needed.library in LIBRARIES and "site-packages" in found.parts and needed.weights.is_local():
        return f"in the {needed.library} wheel"
    if needed.weights.is_local():
        return str(found)
    for title, root in (("in the models folder", models_folder()), ("in Curate's cache", own_folder())):
        if root is not None and found.is_relative_to(root):
            return title
    return "in Hugging Face's cache"


def _servers(pipeline: Pipeline) -> list[tuple[str, OpenAIServer]]:
    owners: dict[OpenAIServer, list[str]] = {}
    for expert in pipeline.experts:
        for engine in engines_of(expert):
            inner = getattr(engine, "engine", engine)
            if isinstance(inner, OpenAIServer):
                owners.setdefault(inner, []).append(stage_name(expert))
    return [(", ".join(dict.fromkeys(names)), server) for server, names in owners.items()]
