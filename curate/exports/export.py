"""Write the kept samples of a run in a format."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.text import Text

from curate.exports.folder import committed
from curate.exports.formats import Format, format_name
from curate.exports.index import write_manifest
from curate.exports.selection import select
from curate.inspect.view import run_view
from curate.storage.store import Store

__all__ = ["ExportReport", "export"]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export did: `counts` are `source_samples` of the run, `samples` written, `failed` to be read again.

    `notes` are what the format itself has to say, one sentence each.
    """

    out: str
    format: str
    counts: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def __rich__(self) -> Text:
        counts = self.counts
        first = f"{counts['samples']:,} of {counts['source_samples']:,} samples exported as {self.format} to {self.out}"
        failed = [f"{counts['failed']:,} images could not be read again"] if counts["failed"] else []
        return Text("; ".join([first, *failed, *self.notes, "index.parquet says why not, sample by sample"]))


def export(store: Store, format: Format, out: str, where: str | None = None, run_id: str | None = None) -> ExportReport:
    """Write the kept samples of a run (the newest by default) that match `where` to the folder or URL `out`.

    The folder appears whole or not at all and replaces an earlier export; the same run gives the same bytes.
    Raises PlanError if the condition, an option or `out` cannot work.
    """
    name, view = format_name(type(format)), run_view(store, run_id)
    if needed := format.condition(view.names()):
        where = f"{needed} AND (\n{where}\n)" if where else needed
    with committed(out) as folder, select(view, where) as selection:
        written = format.write(selection, folder)
        write_manifest(selection, folder, name, written)
    return ExportReport(out, name, written.counts, written.notes)
