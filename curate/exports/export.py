"""Write the kept samples of a run in a format."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.text import Text

from curate.dataset.manifest import code_digest
from curate.exports.folder import MANIFEST, committed
from curate.exports.formats import Format, format_name
from curate.exports.index import INDEX, write_index
from curate.exports.layout import WORK, PartFacts, Writer
from curate.exports.metadata.files import write_metadata
from curate.exports.planning import PlannedPart, plan_parts
from curate.exports.progress import shown
from curate.exports.selection import Selection, select
from curate.exports.settings import ExportSettings
from curate.exports.writing import Job, finished_part, part_facts, write_missing, written_parts
from curate.inspect.view import run_view
from curate.storage.store import Store

__all__ = ["ExportReport", "export"]

SETTINGS = ExportSettings()
COUNTS = ("source_samples", "samples", "failed")


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export did: `counts` are `source_samples` of the run, `samples` written, `failed` to be read again.

    `failures` are the first of those, uid and error code; `notes` are what the format itself has to say, one sentence
    each.
    """

    out: str
    format: str
    counts: Mapping[str, int]
    notes: tuple[str, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()

    def __rich__(self) -> Text:
        counts = self.counts
        first = f"{counts['samples']:,} of {counts['source_samples']:,} samples exported as {self.format} to {self.out}"
        named = ", ".join(f"{uid} {code}" for uid, code in self.failures)
        more = ", ..." if counts["failed"] > len(self.failures) else ""
        failed = [f"{counts['failed']:,} images could not be read again ({named}{more})"] if counts["failed"] else []
        index = f"{self.out.rstrip('/')}/{INDEX} says why not, sample by sample"
        return Text("; ".join([first, *failed, *self.notes, index]))


def export(
    store: Store,
    format: Format,
    out: str,
    where: str | None = None,
    run_id: str | None = None,
    settings: ExportSettings = SETTINGS,
) -> ExportReport:
    """Write the kept samples of a run (the newest by default) that match `where` to the folder or URL `out`.

    The folder appears whole or not at all and replaces an earlier export; the same run gives the same bytes, whatever
    the number of workers. What is interrupted goes on with the parts that lack, if nothing changed that they depend on.
    Raises PlanError if the condition, an option or `out` cannot work, or nothing is left to export.
    """
    view = run_view(store, run_id)
    if needed := format.condition(view.names()):
        where = f"{needed} AND (\n{where}\n)" if where else needed
    with select(view, where, settings.pictures) as selection:
        writer = format.layout(selection)
        planned = plan_parts(selection, writer.reads, settings)
        identity = _identity(selection, writer, planned)
        job = Job(view, writer, selection.columns, settings.pictures, selection.boxes, out, identity)
        with committed(out, identity) as folder:
            if not folder.exists(MANIFEST):
                about = _about(selection, format_name(type(format)), settings)
                report = _write(selection, replace(job, root=folder.root), planned, settings, about)
                return replace(report, out=out)
            counts = json.loads(folder.read_bytes(MANIFEST))
    return ExportReport(out, counts["format"], {name: counts[name] for name in COUNTS})


def _write(
    selection: Selection,
    job: Job,
    planned: Sequence[PlannedPart],
    settings: ExportSettings,
    about: Mapping[str, Any],
) -> ExportReport:
    """Write the parts that lack, what stands beside them, the index, and the manifest last."""
    folder = Store(job.root)
    there = written_parts(folder, job.identity)
    missing = [each for each in planned if each.part.key not in there]
    with shown(settings.console, missing, len(planned) - len(missing)) as done:
        write_missing(job, missing, settings, done)
    parts = _in_order(folder, planned, settings)
    finished = job.writer.finish(folder, parts)
    counts = write_index(selection, folder, planned)
    numbers = {name: getattr(counts, name) for name in COUNTS}
    beside = write_metadata(folder, selection, finished.contents, parts) if finished.contents else []
    names = {name for part in parts for name in part.files} | {*finished.files, *beside, INDEX}
    files = sorted(name for name in names if not name.startswith(WORK))
    text = json.dumps({**about, **finished.facts, **numbers, "files": files}, indent=1, ensure_ascii=False)
    folder.write_bytes(MANIFEST, text.encode() + b"\n")
    return ExportReport(job.root, str(about["format"]), numbers, finished.notes, tuple(counts.failures))


def _identity(selection: Selection, writer: Writer, planned: Sequence[PlannedPart]) -> str:
    """Return what tells this export from one that would write other bytes: 32 hex digits."""
    view = selection.view
    state = hashlib.blake2b(digest_size=16)
    state.update(
        repr((code_digest(), view.run.id, view.run.verdict, selection.where, writer, selection.pictures)).encode()
    )
    state.update(json.dumps(sorted((s, sorted(c.items())) for s, c in view.files.items())).encode())
    state.update(repr(selection.columns).encode())
    for part in planned:
        state.update(repr((part.part, part.shards)).encode() + part.of.tobytes() + part.rows.tobytes())
    return state.hexdigest()


def _in_order(folder: Store, planned: Sequence[PlannedPart], settings: ExportSettings) -> list[PartFacts]:
    """Return the facts of all parts, in order of splits and numbers."""
    splits: Sequence[str | None] = [name for name, _ in settings.splits] or [None]
    parts = sorted(planned, key=lambda each: (splits.index(each.part.split), each.part.number))
    return [part_facts(each, finished_part(folder, each.part.key)) for each in parts]


def _about(selection: Selection, format: str, settings: ExportSettings) -> dict[str, Any]:
    run = selection.view.run
    about = {"version": 2, "format": format, "run": run.id, "recipe": run.recipe, "verdict": run.verdict}
    splits = dict(settings.splits) or None
    pictures = asdict(settings.pictures) if settings.pictures.changes else None
    return {**about, "where": selection.where, "shuffle": settings.shuffle, "split": splits, "images": pictures}
