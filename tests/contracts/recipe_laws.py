"""What must hold for every recipe; `LAWS` is applied to each module of `pipelines/` that the walk finds."""

import inspect
import pickle
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

from curate.errors import PlanError
from curate.pipeline import Pipeline
from curate.recipe import build, settings
from curate.run.runner import RunRequest, prepare
from curate.stages import CorpusStage, Expert
from tests.contracts.walk import modules
from tests.support.shards import write_shard

MOST_PARAMETERS = 8
PAPER = re.compile(r"\d{4}\.\d{5}")


def recipes(package: str) -> list[ModuleType]:
    """Return the modules of a package of recipes."""
    return list(modules(package))


def the_recipe(module: ModuleType) -> Callable[..., Pipeline]:
    recipe: Callable[..., Pipeline] = getattr(module, module.__name__.rpartition(".")[2])
    return recipe


def is_a_function_of_its_modules_name_with_few_typed_parameters(module: ModuleType) -> None:
    recipe = the_recipe(module)
    parameters = inspect.signature(recipe).parameters
    assert recipe.__name__ in module.__all__
    assert get_type_hints(recipe)["return"] is Pipeline
    assert set(get_type_hints(recipe)) == {*parameters, "return"}
    assert len(parameters) <= MOST_PARAMETERS
    assert all(one.default is not one.empty for one in parameters.values())


def builds_with_defaults_a_pipeline_that_fits(module: ModuleType) -> None:
    pipeline, given = build(the_recipe(module), [])
    assert given == {}
    assert any(isinstance(stage, Expert) for stage in pipeline.stages)
    assert len(pipeline.schema()) > len(Pipeline([]).schema())


def builds_the_same_pipeline_each_time_and_pickles_to_it(module: ModuleType) -> None:
    pipeline, again = build(the_recipe(module), [])[0], build(the_recipe(module), [])[0]
    assert again == pipeline
    assert again.verdict_id() == pipeline.verdict_id()
    copy = pickle.loads(pickle.dumps(pipeline))
    assert copy == pipeline
    assert copy.verdict_id() == pipeline.verdict_id()


def names_its_paper_and_what_is_left_out_and_every_parameter(module: ModuleType) -> None:
    recipe = the_recipe(module)
    text = inspect.getdoc(recipe) or ""
    assert PAPER.search(text)
    assert re.search(r"\bleft\s+out\b", text, re.IGNORECASE)
    assert module.__doc__
    unsaid = [name for name in inspect.signature(recipe).parameters if not re.search(rf"`{name}[`.=]", text)]
    assert unsaid == []


def lets_every_parameter_and_field_be_set_to_what_it_is(module: ModuleType) -> None:
    recipe = the_recipe(module)
    pipeline, listed = build(recipe, [])[0], settings(recipe)
    assert set(inspect.signature(recipe).parameters) <= {one.path.partition(".")[0] for one in listed}
    assert len({one.path for one in listed}) == len(listed)
    for one in listed:
        same, _ = build(recipe, [f"{one.path}={one.default}"])
        assert same == pipeline, one
        assert [repr(stage) for stage in same.stages] == [repr(stage) for stage in pipeline.stages], one
    assert build(recipe, [f"{one.path}={one.default}" for one in listed])[0] == pipeline


def starts_each_engine_once(module: ModuleType) -> None:
    """All stages that hold one engine are one segment: a second would start it again, or split a GPU.

    Corpus stages are in none.
    """
    pipeline = build(the_recipe(module), [])[0]
    segments = pipeline.segments()
    measured = [stage for stage in pipeline.stages if not isinstance(stage, CorpusStage)]
    assert [stage for segment in segments for stage in segment.stages] == measured
    engines = [segment.engine for segment in segments if segment.engine is not None]
    assert len(set(engines)) == len(engines)


def plans_over_what_there_is_or_says_what_is_missing(module: ModuleType) -> None:
    pipeline = build(the_recipe(module), [])[0]
    with tempfile.TemporaryDirectory() as folder:
        empty, one = Path(folder, "empty"), Path(folder, "one")
        empty.mkdir()
        write_shard(one / "00000.tar", ["a dog in a park"])
        assert "holds nothing to read" in refusal(pipeline, empty) or missing(pipeline)
        if missing(pipeline):
            assert "\n" not in missing(pipeline)
            assert len(missing(pipeline)) > 40  # a sentence: what, and what to do
        else:
            plan = prepare(RunRequest(pipeline, [str(one)], str(Path(folder, "out"))))
            assert (len(plan.shards), plan.rows(), plan.needs_workers) == (1, 1, True)
            assert [folder for _, folder, _ in plan.waiting()]
        assert not Path(folder, "out").exists()


def missing(pipeline: Pipeline) -> str:
    """Return what a pipeline lacks on this machine: weights, an extra, a calibration; "" if nothing."""
    try:
        pipeline.check()
    except PlanError as error:
        return str(error)
    return ""


def refusal(pipeline: Pipeline, source: Path) -> str:
    try:
        prepare(RunRequest(pipeline, [str(source)], str(source.parent / "out")))
    except PlanError as error:
        return str(error)
    return ""


LAWS = [
    is_a_function_of_its_modules_name_with_few_typed_parameters,
    builds_with_defaults_a_pipeline_that_fits,
    builds_the_same_pipeline_each_time_and_pickles_to_it,
    names_its_paper_and_what_is_left_out_and_every_parameter,
    lets_every_parameter_and_field_be_set_to_what_it_is,
    starts_each_engine_once,
    plans_over_what_there_is_or_says_what_is_missing,
]
