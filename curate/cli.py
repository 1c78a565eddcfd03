"""The command line: every argument is a noun of the design; knobs belong to recipes."""

import signal
import sys
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from curate import cli_options as options
from curate.cli_steps import make_order, print_out, run_order, use_models
from curate.errors import CurateError

__all__ = ["app", "main"]

LONGEST_ERROR = 2_000  # characters: what it quotes may be anybody's

app = typer.Typer(
    help="Curate image-text data: experts measure, filters decide, engines write, exports ship.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run the command line; a CurateError is one sentence on stderr and exit code 2."""
    signal.signal(signal.SIGTERM, _stop)  # preemption: end as after Ctrl-C
    try:
        app()
    except CurateError as error:
        from curate.inspect.tables import printable
        from curate.storage.redact import mask_text

        sys.stderr.write(f"error: {printable(mask_text(str(error)), LONGEST_ERROR)}\n")
        sys.exit(2)


def _stop(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)


@app.command()
def recipes(
    recipe: Annotated[str | None, typer.Argument(help=f"{options.RECIPES}; all of them in short if left out.")] = None,
) -> None:
    """List the recipes, or what `-p` can set in one: every path with its type and default."""
    from shutil import get_terminal_size

    from curate.recipe import find_recipe, recipe_list, recipe_page

    width = get_terminal_size().columns if sys.stdout.isatty() else None
    typer.echo(recipe_page(find_recipe(recipe), width) if recipe else recipe_list(width))


@app.command()
def run(
    recipe: options.RecipeName,
    inputs: options.Inputs,
    dataset: options.Dataset,
    p: options.Parameters = None,
    limit: options.Limit = None,
    address: options.Address = None,
    *,
    local: options.Local = False,
    wait: options.Wait = False,
    models: options.Models = None,
    licences: options.Licence = "any",
    allow_empty: options.AllowEmpty = False,
) -> None:
    """Measure, filter, caption: do what the dataset folder still lacks."""
    from dataclasses import replace

    use_models(models)
    order = make_order(recipe, inputs, dataset, p, limit, address)
    order = replace(order, allow_empty=allow_empty)
    run_order(replace(order, local=local, wait_for_nodes=wait, licences=licences))


@app.command()
def retry(
    recipe: options.RecipeName,
    inputs: options.Inputs,
    dataset: options.Dataset,
    p: options.Parameters = None,
    limit: options.Limit = None,
    address: options.Address = None,
    *,
    local: options.Local = False,
    wait: options.Wait = False,
    code: Annotated[list[str] | None, typer.Option("--code", help="Only this error code; may repeat.")] = None,
    models: options.Models = None,
    licences: options.Licence = "any",
) -> None:
    """Run again, and measure again the samples that failed."""
    from dataclasses import replace

    use_models(models)
    order = make_order(recipe, inputs, dataset, p, limit, address)
    again = replace(order, retry=frozenset(code or ()), allow_empty=True)
    run_order(replace(again, local=local, wait_for_nodes=wait, licences=licences))


@app.command()
def plan(
    recipe: options.RecipeName,
    inputs: options.Inputs,
    dataset: options.Dataset,
    p: options.Parameters = None,
    limit: options.Limit = None,
    models: options.Models = None,
    licences: options.Licence = "any",
) -> None:
    """Say what `run` would do: cells and rows that are missing. Does no work."""
    from dataclasses import replace

    from curate.inspect.funnel import plan_table
    from curate.run.runner import prepare

    use_models(models)
    print_out(plan_table(prepare(replace(make_order(recipe, inputs, dataset, p, limit, None), licences=licences))))


@app.command()
def models(
    recipe: options.RecipeName,
    p: options.Parameters = None,
    fetch: Annotated[
        Path | None, typer.Option("--fetch", metavar="DIR", help="Bring them all into this folder.")
    ] = None,
    models: options.Models = None,
    licences: options.Licence = "any",
) -> None:
    """Show which models a recipe needs: size, licence, revision, and where they are; --fetch brings them."""
    from curate.inspect.models import check_names, fetch_models, models_table
    from curate.recipe import build, find_recipe
    from curate.run.models import check_licences

    if fetch is None:
        use_models(models)
    pipeline = build(find_recipe(recipe), p or [])[0]
    check_names(pipeline)
    check_licences(pipeline, licences)
    if fetch is None:
        print_out(models_table(pipeline))
    else:
        print_out(fetch_models(pipeline, recipe, fetch, lambda line: typer.echo(line, err=True)))


@app.command()
def status(
    dataset: options.Folder,
    run: options.RunId = None,
    by: Annotated[str | None, typer.Option("--by", help="Keep rates by language, domain, or a column.")] = None,
) -> None:
    """Show the funnel of a run and what it recorded; with --by how much of each group it keeps."""
    from curate.inspect.funnel import status_report
    from curate.inspect.keep_rates import rates_report
    from curate.storage.store import Store

    print_out(rates_report(Store(dataset), run, by) if by else status_report(Store(dataset), run))


@app.command()
def report(
    dataset: options.Folder,
    out: Annotated[str | None, typer.Option("--out", help="Folder or URL; DATASET-report by default.")] = None,
    run: options.RunId = None,
) -> None:
    """Write a static site about a run: funnel, filters with samples at their bounds, errors, captions, pairs."""
    from curate.inspect.report.site import write_report
    from curate.storage.store import Store

    print_out(write_report(Store(dataset), run, out or f"{dataset.rstrip('/')}-report"))


@app.command()
def query(
    dataset: options.Folder,
    sql: Annotated[str, typer.Argument(help="One SELECT over the view `samples`.")],
    format: Annotated[Literal["table", "csv", "json", "parquet"], typer.Option("--format")] = "table",
    run: options.RunId = None,
) -> None:
    """Ask SQL of all samples: one row each, all columns, `dropped_by` and `error`."""
    from curate.inspect.query import query as ask
    from curate.inspect.tables import format_table
    from curate.storage.store import Store

    answer = format_table(ask(Store(dataset), sql, run), format)
    if isinstance(answer, bytes):
        sys.stdout.buffer.write(answer)
    else:
        typer.echo(answer, nl=not answer.endswith("\n"))


@app.command()
def show(
    dataset: options.Folder,
    uid: Annotated[str, typer.Argument(help="The sample's uid, or enough of its beginning.")],
    image_to: Annotated[Path | None, typer.Option("--image", "--picture", help="Write its bytes here.")] = None,
    run: options.RunId = None,
) -> None:
    """Show everything known about a sample, and its image."""
    from curate.inspect import show as view
    from curate.storage.store import Store

    store = Store(dataset)
    facts = view.sample_facts(store, uid, run)
    print_out(view.render(facts, view.preview(store, facts["uid"], run)))
    if image_to is not None:
        image_to.write_bytes(view.image_bytes(store, facts["uid"], run))
        typer.echo(f"image written to {image_to}")


@app.command(epilog=f"Formats (`curate formats NAME` lists the options of one):\n\n\b\n{options.FORMATS}")
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


@app.command()
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


@app.command()
def formats(name: Annotated[str | None, typer.Argument(help="A format; all of them without.")] = None) -> None:
    """List the formats of `export`, or the options of one."""
    from curate.exports.listing import formats_table, options_table

    print_out(options_table(name) if name else formats_table())


@app.command()
def calibrate(
    recipe: options.RecipeName,
    labels: options.Labels,
    out: options.CalibrationFile,
    p: options.Parameters = None,
    *,
    gate: options.Gates = None,
    dataset: options.ImagesIn = None,
    models: options.Models = None,
    licences: options.Licence = "any",
) -> None:
    """Measure a recipe's judge, or another score of captions, against labels."""
    from curate.captions.judging.calibration import Bar
    from curate.inspect import calibrate as calibration
    from curate.recipe import build, find_recipe
    from curate.run.models import check_licences, fetch_missing, pin_models
    from curate.storage.store import Store

    use_models(models)
    pipeline = build(find_recipe(recipe), p or [])[0]
    check_licences(pipeline, licences)
    pipeline = pin_models(pipeline, recipe, lambda line: typer.echo(line, err=True))
    items = calibration.read_set(labels, Store(dataset) if dataset else None)
    gates = calibration.read_gates(gate or [])
    fetch_missing(pipeline, recipe, lambda line: typer.echo(line, err=True))
    measured = calibration.calibrate(pipeline, labels, items, gates)
    out.write_text(measured.to_json(), encoding="utf-8")
    print_out(calibration.calibration_table(measured, Bar()))


@app.command()
def errors(
    dataset: options.Folder,
    by: Annotated[Literal["code", "stage", "shard"], typer.Option("--by", help="How to group them.")] = "code",
) -> None:
    """Show which samples could not be measured, why, and the command that tries them again."""
    from curate.inspect.failures import failures_table
    from curate.storage.store import Store

    print_out(failures_table(Store(dataset), by))


@app.command()
def blind(
    dataset: options.Folder,
    vlm: Annotated[str | None, typer.Option("--vlm", help="Blind model that also saw the image.")] = None,
    base: Annotated[str | None, typer.Option("--base", help="Blind model that is its language model.")] = None,
    run: options.RunId = None,
) -> None:
    """Show how many questions models answered without the image: rates, multi-modal gain and leakage."""
    from curate.inspect.blind import blind_report
    from curate.storage.store import Store

    print_out(blind_report(Store(dataset), run, vlm, base))


@app.command()
def agreement(
    teacher: options.Folder,
    student: Annotated[str, typer.Argument(help="Dataset of the other run.")],
    text: Annotated[str | None, typer.Option(help="Column of the caption; by default the final one.")] = None,
) -> None:
    """Show how far two runs agree on the images that both describe: evidence, claims, a judge's scores."""
    from curate.inspect.agreement import agreement as compare
    from curate.storage.store import Store

    print_out(compare(Store(teacher), Store(student), text))


@app.command()
def reference(
    name: options.ReferenceName,
    to: options.ReferenceFile,
    inputs: options.ReferenceInputs = None,
    dataset: options.ReferenceDataset = None,
) -> None:
    """Make a reference of images that datasets must not hold: evaluation sets, earlier datasets."""
    from curate.inspect.reference import reference_of

    print_out(reference_of(inputs or [], dataset, name, to))


@app.command()
def verify(
    dataset: options.Folder,
    repair: Annotated[
        bool, typer.Option("--repair", help="Remove what is damaged; the next run does it again.")
    ] = False,
) -> None:
    """Read every cell again and say which are damaged; exit code 1 if some are and stay."""
    from curate.dataset.verify import verify as verify_all
    from curate.storage.store import Store

    report = verify_all(Store(dataset), repair)
    print_out(report)
    if report.damaged and not repair:
        raise typer.Exit(1)


@app.command()
def compact(dataset: options.Folder) -> None:
    """Fold what later runs added into the cells: fewer files, the same values."""
    from curate.dataset.compact import compact as fold_all
    from curate.storage.store import Store

    print_out(fold_all(Store(dataset), lambda message: typer.echo(message, err=True)))


@app.command()
def gc(
    dataset: options.Folder,
    keep: Annotated[int | None, typer.Option("--keep", help="Keep only the newest N runs.")] = None,
    keep_run: Annotated[list[str] | None, typer.Option("--keep-run", help="Keep this run too; may repeat.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it, rather than only show it.")] = False,
) -> None:
    """Show what no kept run refers to; with --yes remove it. Without --keep or --keep-run, every run is kept."""
    from curate.dataset.gc import collect
    from curate.storage.store import Store

    print_out(collect(Store(dataset), keep, keep_run or (), yes))


if __name__ == "__main__":
    main()
