"""What a recipe does: list, run, retry, plan, models, calibrate."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from curate.cli import options
from curate.cli.steps import foresee, make_order, print_out, run_order, use_models

__all__ = ["calibrate", "models", "plan", "recipes", "retry", "run"]


def recipes(
    recipe: Annotated[str | None, typer.Argument(help=f"{options.RECIPES}; all of them in short if left out.")] = None,
) -> None:
    """List the recipes, or what `-p` can set in one: every path with its type and default."""
    from shutil import get_terminal_size

    from curate.recipe import find_recipe, recipe_list, recipe_page

    width = get_terminal_size().columns if sys.stdout.isatty() else None
    typer.echo(recipe_page(find_recipe(recipe), width) if recipe else recipe_list(width))


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


def plan(
    recipe: options.RecipeName,
    inputs: options.Inputs,
    dataset: options.Dataset,
    p: options.Parameters = None,
    limit: options.Limit = None,
    address: options.Address = None,
    *,
    pilot: options.PilotSamples = None,
    on: options.Machines = None,
    cpu_hour: options.CpuHour = 0.0,
    gpu_hour: options.GpuHour = 0.0,
    models: options.Models = None,
    licences: options.Licence = "any",
) -> None:
    """Say what `run` would do: cells and rows that are missing. With --pilot also how long, and what it costs."""
    from dataclasses import replace

    from curate.errors import PlanError
    from curate.inspect.forecast.table import Prices
    from curate.inspect.funnel import plan_table
    from curate.run.runner import prepare

    use_models(models)
    order = replace(make_order(recipe, inputs, dataset, p, limit, address), licences=licences)
    if pilot is None:
        print_out(plan_table(prepare(order)))
    elif limit is not None:
        raise PlanError("--pilot is about the whole source; leave out --limit")
    else:
        foresee(replace(order, pilot=pilot, allow_empty=True), on, Prices(cpu_hour, gpu_hour))


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
