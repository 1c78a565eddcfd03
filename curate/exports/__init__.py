"""Materialised views of a run, in the formats that trainers read."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.text import Text

from curate.errors import PlanError
from curate.exports.described_sft import write_described_sft
from curate.exports.folder import committed
from curate.exports.options import ExportOptions
from curate.exports.parquet import PAIRS, write_judged_pairs, write_pairs, write_parquet
from curate.exports.selection import Selection, select
from curate.exports.sft import sft_condition, write_llava, write_swift
from curate.exports.webdataset import write_webdataset
from curate.inspect.view import run_view
from curate.storage.store import Store

__all__ = ["FORMATS", "ExportOptions", "ExportReport", "export"]

FORMATS: dict[str, Callable[[Selection, Store, ExportOptions], dict[str, int]]] = {
    "webdataset": write_webdataset,  # tars with index, sizes.json and wids index
    "parquet": write_parquet,  # images inside, as HF datasets reads them
    "llava": write_llava,  # questions as LLaVA's JSON list, images beside it
    "swift": write_swift,  # the same as ms-swift's JSON lines
    "trl": write_pairs,  # preference pairs with images inside, as TRL's DPOTrainer reads them
    "judged_pairs": write_judged_pairs,  # the same with kind, margin and verdict, for reward models and for choosing
    "described_sft": write_described_sft,  # the user's training rows with a description before the question
}


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export did: `source_samples` of the run, `samples` written, `failed` to be read again."""

    out: str
    format: str
    source_samples: int
    samples: int
    failed: int
    rows: int | None = None  # of the user's training rows: read, and described
    described: int | None = None

    def __rich__(self) -> Text:
        failed = f"; {self.failed:,} pictures could not be read again" if self.failed else ""
        taken = f"{self.samples:,} of {self.source_samples:,} samples"
        if self.rows is not None:
            failed += f"; {self.described:,} of {self.rows:,} rows have a description, missing.jsonl names the others"
        return Text(
            f"{taken} exported as {self.format} to {self.out}{failed}; index.parquet says why not, sample by sample"
        )


def export(
    store: Store,
    format: str,
    out: str,
    where: str | None = None,
    run_id: str | None = None,
    options: ExportOptions | None = None,
) -> ExportReport:
    """Write the kept samples of a run (the newest by default) that match `where` to the folder or URL `out`.

    The folder appears whole or not at all and replaces an earlier export; the same run gives the same bytes.
    Raises PlanError if the format, the condition, an option or `out` cannot work.
    """
    if format not in FORMATS:
        raise PlanError(f"cannot export to {format!r}; formats: {', '.join(FORMATS)}")
    if needed := _needed(store, format, run_id):
        where = f"{needed} AND (\n{where}\n)" if where else needed
    with committed(out) as folder, select(store, where, run_id) as selection:
        counts = FORMATS[format](selection, folder, options or ExportOptions())
    return ExportReport(out, format, **counts)


def _needed(store: Store, format: str, run_id: str | None) -> str | None:
    """Return the SQL condition for samples that hold what a format is made of."""
    if format in ("llava", "swift"):
        return sft_condition(run_view(store, run_id).names())
    return PAIRS if format in ("trl", "judged_pairs") else None
