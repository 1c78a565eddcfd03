"""What several commands do: make a request, run it, show what came out."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.run.runner import RunRequest

__all__ = ["make_order", "run_order", "show_report", "use_models"]


def make_order(
    recipe: str, inputs: list[str], dataset: str, p: list[str] | None, limit: int | None, address: str | None
) -> "RunRequest":
    """Return the request for a recipe with what `-p` sets in it; raises PlanError where it does not fit."""
    from curate.recipe import build, find_recipe
    from curate.run.runner import RunRequest

    pipeline, parameters = build(find_recipe(recipe), p or [])
    name = recipe.rpartition(":")[2]
    return RunRequest(pipeline, inputs, dataset, name, parameters, limit, address)


def use_models(models: str | None) -> None:
    """Take models from the folder that the command line names, and from nowhere else."""
    from curate.models.places import use_models_folder

    use_models_folder(models or "")


def run_order(order: "RunRequest") -> None:
    """Do what a request asks for and show its funnel."""
    from rich.console import Console

    from curate.inspect.funnel import run_report
    from curate.run.runner import run

    try:
        manifest = run(order, Console(stderr=True))
    except KeyboardInterrupt:
        sys.stderr.write("stopped; run the same command again to go on\n")
        raise  # Typer ends with exit code 130
    show_report(run_report(order, manifest))


def show_report(what: Any) -> None:
    """Print a renderable, or several; plain text is never wrapped, so that commands can be copied."""
    from rich.console import Console, Group

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    for part in what.renderables if isinstance(what, Group) else [what]:
        console.print(part, soft_wrap=not hasattr(part, "columns"))
