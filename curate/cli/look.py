"""What a run did: status, report, query, show, errors, and how models and runs compare."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from curate.cli import options
from curate.cli.steps import print_out

__all__ = ["agreement", "blind", "diff", "errors", "labels", "query", "report", "show", "status", "view"]


def status(
    dataset: options.Folder,
    run: options.RunId = None,
    by: Annotated[str | None, typer.Option("--by", help="Keep rates by language, domain, or a column.")] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Watch a run until it ends.")] = False,
    metrics: Annotated[
        str | None, typer.Option("--metrics", metavar="PORT", help="Serve its numbers to Prometheus at /metrics.")
    ] = None,
) -> None:
    """Show the funnel of a run and what it recorded; with --follow what it is at; with --by keep rates by group."""
    from curate.cli.steps import serve_metrics, watch
    from curate.inspect.funnel import status_report
    from curate.inspect.keep_rates import rates_report
    from curate.storage.store import Store

    store = Store(dataset)
    if metrics is not None:
        serve_metrics(store, run, metrics, follow)
    elif follow:
        watch(store, run)
    if metrics is None or follow:
        print_out(rates_report(store, run, by) if by else status_report(store, run))


def report(
    dataset: options.Folder,
    out: Annotated[str | None, typer.Option("--out", help="Folder or URL; DATASET-report by default.")] = None,
    run: options.RunId = None,
) -> None:
    """Write a static site about a run: funnel, filters with samples at their bounds, errors, captions, pairs."""
    from curate.inspect.report.site import write_report
    from curate.storage.store import Store

    print_out(write_report(Store(dataset), run, out or f"{dataset.rstrip('/')}-report"))


def view(
    dataset: options.Folder,
    run: options.RunId = None,
    labels: options.LabelFile = None,
    port: Annotated[int, typer.Option("--port", help="Port to listen on; 0 is any free one.")] = 8321,
    host: Annotated[
        str, typer.Option("--host", help="Another address lets other machines in, unencrypted.")
    ] = "127.0.0.1",
) -> None:
    """Show a run in a browser: samples, thresholds to try, similar images; with --labels also label them."""
    from curate.inspect.gallery.server import view as serve
    from curate.inspect.labels import LabelFile
    from curate.storage.store import Store

    serve(Store(dataset), run, (host, port), LabelFile(labels) if labels else None, typer.echo)


def labels(
    dataset: options.Folder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `curate view --labels FILE` wrote.")],
    question: Annotated[str, typer.Option("--question", help="Only its labels; `keep` measures filters.")] = "keep",
    gate: options.Gates = None,
    run: options.RunId = None,
) -> None:
    """Show what labels say: how often filters were right, with intervals, and how far a judge agrees."""
    from curate.inspect.calibrate import read_gates
    from curate.inspect.labels import LabelFile, label_report
    from curate.storage.store import Store

    gates = read_gates(gate) if gate else ()
    print_out(label_report(Store(dataset), LabelFile(file), question, gates, run))


def query(
    dataset: options.Folder,
    sql: Annotated[str, typer.Argument(help="One SELECT over the view `samples`.")],
    format: Annotated[Literal["table", "csv", "json", "parquet"], typer.Option("--format")] = "table",
    run: options.RunId = None,
    *,
    all_runs: Annotated[bool, typer.Option("--all-runs", help="Of every run: `run` says of which.")] = False,
) -> None:
    """Ask SQL of all samples: one row each, all columns, `dropped_by` and `error`."""
    from curate.inspect.all_runs import query_runs
    from curate.inspect.query import query as ask
    from curate.inspect.tables import format_table
    from curate.storage.store import Store

    store = Store(dataset)
    found = query_runs(store, sql, [run] if run else None) if all_runs else ask(store, sql, run)
    answer = format_table(found, format)
    if isinstance(answer, bytes):
        sys.stdout.buffer.write(answer)
    else:
        typer.echo(answer, nl=not answer.endswith("\n"))


def diff(
    dataset: options.Folder,
    before: Annotated[str | None, typer.Argument(help="A run; the one before the other by default.")] = None,
    after: Annotated[str | None, typer.Argument(help="A later run; the newest by default.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the samples that changed as Parquet.")] = None,
) -> None:
    """Show what changed between two runs: which samples came in, which went out, and why."""
    import pyarrow.parquet as pq

    from curate.inspect.diff import changes
    from curate.inspect.diff import diff as compare
    from curate.storage.store import Store

    store = Store(dataset)
    print_out(compare(store, before, after))
    if out is not None:
        pq.write_table(changes(store, before, after), out)
        typer.echo(f"samples with another fate written to {out}")


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


def errors(
    dataset: options.Folder,
    by: Annotated[Literal["code", "stage", "shard"], typer.Option("--by", help="How to group them.")] = "code",
) -> None:
    """Show which samples could not be measured, why, and the command that tries them again."""
    from curate.inspect.failures import failures_table
    from curate.storage.store import Store

    print_out(failures_table(Store(dataset), by))


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


def agreement(
    teacher: options.Folder,
    student: Annotated[str, typer.Argument(help="Dataset of the other run.")],
    text: Annotated[str | None, typer.Option(help="Column of the caption; by default the final one.")] = None,
) -> None:
    """Show how far two runs agree on the images that both describe: evidence, claims, a judge's scores."""
    from curate.inspect.agreement import agreement as compare
    from curate.storage.store import Store

    print_out(compare(Store(teacher), Store(student), text))
