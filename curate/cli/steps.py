"""What several commands do: order a run, run it, print what came of it."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.inspect.forecast.table import Prices
    from curate.run.runner import RunRequest
    from curate.storage.store import Store

__all__ = ["foresee", "make_order", "print_out", "run_order", "serve_metrics", "use_models", "watch"]


def make_order(
    recipe: str, inputs: list[str], dataset: str, p: list[str] | None, limit: int | None, address: str | None
) -> "RunRequest":
    """Return what the command line asks for; raises PlanError if it fits no recipe."""
    from curate.recipe import build, find_recipe
    from curate.run.runner import RunRequest

    pipeline, parameters = build(find_recipe(recipe), p or [])
    name = recipe.rpartition(":")[2]
    return RunRequest(pipeline, inputs, dataset, name, parameters, limit, address)


def use_models(models: str | None) -> None:
    """Take models from the folder that the command line names, and from nowhere else."""
    from curate.models.places import use_models_folder

    use_models_folder(models or "")


def foresee(order: "RunRequest", machines: str | None, prices: "Prices") -> None:
    """Run a pilot of what is ordered, and print what the whole will take."""
    from dataclasses import replace

    from rich.console import Console

    from curate.inspect.forecast.estimate import forecast
    from curate.inspect.forecast.knobs import knobs
    from curate.inspect.forecast.pilot import read_pilot
    from curate.inspect.forecast.record import note_forecast
    from curate.inspect.forecast.table import forecast_report, read_machines
    from curate.run.cluster import this_machine
    from curate.run.runner import prepare, run
    from curate.storage.store import Store

    cluster = read_machines(machines) if machines else this_machine(order.pipeline)
    plan, store = prepare(replace(order, pilot=None), count_new=False), Store(order.dataset)
    pilot = read_pilot(store, run(order, Console(stderr=True)), plan)
    made = forecast(pilot, plan, cluster)
    if machines is None:
        told = {"samples": made.left, "seconds": made.seconds, "low": made.low, "high": made.high}
        note_forecast(store, pilot.manifest, plan.spec.verdict_id, told)
    print_out(forecast_report(made, knobs(store, pilot, made), pilot.samples, prices))


def run_order(order: "RunRequest") -> None:
    """Run it and print its report."""
    from rich.console import Console

    from curate.inspect.funnel import run_report
    from curate.run.runner import run

    try:
        manifest = run(order, Console(stderr=True))
    except KeyboardInterrupt:
        sys.stderr.write("stopped; run the same command again to go on\n")
        raise  # Typer ends with exit code 130
    print_out(run_report(order, manifest))


def watch(store: "Store", run: str | None) -> None:
    """Show what a run is at until it ends."""
    from rich.console import Console

    from curate.inspect.follow import follow

    follow(store, run, Console(stderr=True))


def serve_metrics(store: "Store", run: str | None, place: str, following: bool) -> None:
    """Serve the numbers of a run: until it ends where it is followed, else until Ctrl-C."""
    import threading

    from curate.inspect.metrics import metrics_server

    with metrics_server(store, run, place) as server:
        host, port = server.server_address[:2]
        sys.stderr.write(f"metrics at http://{host!s}:{port}/metrics\n")
        if not following:
            server.serve_forever()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        watch(store, run)
        server.shutdown()


def print_out(what: Any) -> None:
    """Print a renderable, or several; plain text is never wrapped, so that commands can be copied."""
    from rich.console import Console, Group

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    for part in what.renderables if isinstance(what, Group) else [what]:
        console.print(part, soft_wrap=not hasattr(part, "columns"))
