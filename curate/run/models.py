"""Before a run: which revision of each model it takes, whether their licences fit, and that their files are here."""

import dataclasses
from collections.abc import Callable
from typing import Literal

from curate.errors import PlanError
from curate.models.fetch import fetch
from curate.models.hub import HubError, ask_hub
from curate.models.known import find_known
from curate.models.names import hub_of
from curate.models.needed import Needed, needed_of, pin
from curate.models.places import is_offline, main_here, models_folder, own_folder
from curate.models.weights import Weights
from curate.pipeline import Pipeline, follow_ids
from curate.stages import Measures, stage_name

__all__ = ["Licences", "check_licences", "fetch_missing", "models_of", "pin_models"]

Licences = Literal["any", "permissive"]
Tell = Callable[[str], None]


def models_of(pipeline: Pipeline) -> dict[Needed, tuple[str, ...]]:
    """Return the models that a pipeline needs, each with the names of the stages that need it, in their order."""
    owners: dict[Needed, list[str]] = {}
    for stage in pipeline.stages:
        for needed in needed_of(stage) if isinstance(stage, Measures) else ():
            names = owners.setdefault(needed, [])
            if stage_name(stage) not in names:
                names.append(stage_name(stage))
    return {needed: tuple(names) for needed, names in owners.items()}


def pin_models(pipeline: Pipeline, recipe: str, tell: Tell) -> Pipeline:
    """Return the pipeline with a commit for each of a hub's models that has no revision: what the hub calls main now.

    Offline it is the commit that is on this machine. Raises HubError if there is none and the hub does not answer.
    """
    seen: dict[str, Weights] = {}

    def revise(weights: Weights) -> Weights:
        if weights.is_local() or weights.revision or hub_of(weights.where) != "huggingface":
            return weights
        if weights.where not in seen:
            seen[weights.where] = Weights(weights.where, _main(weights.where, recipe, tell))
        return seen[weights.where]

    stages = [pin(stage, revise) for stage in pipeline.stages]
    if all(new is old for new, old in zip(stages, pipeline.stages, strict=True)):
        return pipeline
    return dataclasses.replace(pipeline, stages=follow_ids(pipeline.stages, stages))


def check_licences(pipeline: Pipeline, licences: Licences) -> None:
    """Raise PlanError if a model's licence is not one of those that are allowed."""
    if licences == "any":
        return
    for needed, stages in models_of(pipeline).items():
        if not needed.is_permissive():
            known = find_known(needed.weights.where)
            instead = known.instead if known and known.instead else "another model"
            raise PlanError(
                f"{stages[0]} needs {needed.weights.where}, whose licence is {needed.licence}, and only permissive "
                f"ones are allowed; take {instead}, or allow it with --licences any"
            )


def fetch_missing(pipeline: Pipeline, recipe: str, tell: Tell) -> None:
    """Fetch the models that are not on this machine into its cache, so that no worker has to.

    Raises PlanError, one sentence, where that cannot be: a models folder that lacks one, a hub that does not answer.
    """
    models = models_of(pipeline)
    missing = [one for one in models if one.found() is None and not one.weights.is_local()]
    folder = models_folder()
    if missing and is_offline():
        where = f"the models folder {folder}" if folder else "this machine, and $HF_HUB_OFFLINE forbids to fetch it"
        raise PlanError(
            f"{models[missing[0]][0]} needs {' and '.join(str(one.weights) for one in missing)}, not in {where}; "
            f"where there is a network: curate models {recipe} --fetch {folder or 'DIR'}"
            f"{'' if folder else ', then run with --models DIR'}"
        )
    for one in missing:
        try:
            fetch(one, own_folder(), tell)
        except HubError as error:
            raise _not_here(one.weights, recipe, error) from error


def _main(name: str, recipe: str, tell: Tell) -> str:
    here = main_here(name)
    if is_offline():
        return here
    try:
        revision = ask_hub(name, "").revision
    except HubError as error:
        if not here:
            raise _not_here(Weights(name), recipe, error) from error
        tell(f"{error}; {name} is taken as it is here, at {here}")
        return here
    tell(f"{name} has no revision: its main is {revision} now; give {name}@{revision} to keep it")
    return revision


def _not_here(weights: Weights, recipe: str, error: HubError) -> HubError:
    """Return the error with the way out, if another machine or a later time would help."""
    if not error.passes:
        return error
    return HubError(
        f"{weights} is not on this machine, and {error}; fetch it where there is a network with "
        f"`curate models {recipe} --fetch DIR`, bring DIR here, and give --models DIR",
        passes=True,
    )
