"""What leaves a dataset, and how much of it: exports, pools, references."""

from typing import Annotated

import typer

from curate.cli import options
from curate.cli.steps import print_out

__all__ = ["FORMATS_HELP", "export", "formats", "pool", "reference"]


FORMATS_HELP = f"Formats (`curate formats NAME` lists the options of one):\n\n\b\n{options.FORMATS}"


def export(
    dataset: options.Folder,
    out: Annotated[str, typer.Argument(help="Folder or URL to write to.")],
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="A format, see below.")] = "webdataset",
    where: Annotated[str | None, typer.Option("--where", help="SQL condition over `samples`.")] = None,
    p: Annotated[list[str] | None, typer.Option("-p", help="Option of the format, name=value; may repeat.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="One export per value of this column, in OUT.")] = None,
    run: options.RunId = None,
    *,
    shuffle: options.Shuffle = None,
    split: options.Split = None,
    max_side: options.MaxSide = None,
    encode: options.Encode = None,
    quality: options.Quality = 90,
    blur: options.Blur = None,
    workers: options.Workers = None,
    address: options.Address = None,
) -> None:
    """Write the kept samples as training shards, with an index of all samples."""
    from rich.console import Console

    from curate.exports.export import export as write_export
    from curate.exports.options import read_format
    from curate.exports.parts import export_parts
    from curate.exports.pictures import Pictures
    from curate.exports.settings import ExportSettings, read_splits
    from curate.storage.store import Store

    store, kind = Store(dataset), read_format(to, p or [])
    pictures = Pictures(max_side, encode, quality, blur)
    how = ExportSettings(shuffle, read_splits(split), pictures, workers, address, Console(stderr=True))
    report = (
        export_parts(store, kind, out, by, where, run, how) if by else write_export(store, kind, out, where, run, how)
    )
    print_out(report)


def formats(name: Annotated[str | None, typer.Argument(help="A format; all of them without.")] = None) -> None:
    """List the formats of `export`, or the options of one."""
    from curate.exports.listing import formats_table, options_table

    print_out(options_table(name) if name else formats_table())


def pool(
    buckets: options.Buckets,
    samples_seen: options.Budgets,
    form: options.PoolForm = None,
    picture: options.Picture = None,
    save: options.SavedBuckets = None,
) -> None:
    """Say how much of a pool to keep for a training budget, from the utility of its buckets."""
    from curate.inspect.pool import pool_report

    print_out(pool_report(buckets, samples_seen, form, picture, save))


def reference(
    name: options.ReferenceName,
    to: options.ReferenceFile,
    inputs: options.ReferenceInputs = None,
    dataset: options.ReferenceDataset = None,
) -> None:
    """Make a reference of images that datasets must not hold: evaluation sets, earlier datasets."""
    from curate.inspect.reference import reference_of

    print_out(reference_of(inputs or [], dataset, name, to))
