"""Assignments reach the parameters of a recipe and the stages that it built."""

import itertools
import shlex
from dataclasses import dataclass

import pytest

from curate.dataset.manifest import Manifest, load, save
from curate.errors import PlanError
from curate.inspect.failures import retry_command
from curate.pipeline import Pipeline
from curate.recipe import build, find_recipe, known_recipes, read_assignments, settings
from curate.recipe.unknown import RENAMED
from curate.stages import stage_id
from curate.storage.store import Store
from tests.support.recipes import LONG_TEXTS
from tests.support.stages import AtLeast, TextLength


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(LONG_TEXTS)
    return path


def set_in(name, *assignments):
    return build(find_recipe(name), assignments)[0]


def stage(pipeline, name):
    return next(one for one in pipeline.stages if type(one).__name__ == name)


def test_parameters_are_read_by_their_types_and_recorded_as_given(file):
    pipeline, given = build(find_recipe(f"{file}:long_texts"), ["shortest=5", "strict=true", 'names=["a"]'])

    assert pipeline.stages[1].bound == 6
    assert given == {"shortest": "5", "strict": "true", "names": '["a"]'}
    assert build(find_recipe(f"{file}:long_texts"), [f"{name}={text}" for name, text in given.items()])[0] == pipeline


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["shortst=5"], "no parameter 'shortst'; did you mean shortest?"),
        (["qqq=5"], "it takes shortest, strict, names; its stages are text_length, at_least$"),
        (["shortest"], "not name=value"),
        (["shortest=many"], "shortest=many: .*expected int"),
        (["shortest=-1"], "shortest must be 0 or more"),
        (["shortest.x=1"], "shortest is one value, with nothing below it; set it by -p shortest=…"),
        (["shortest[0]=1"], "shortest is one value, with nothing below it"),
        (["at_least.bond=1"], r"at_least has no field 'bond'; did you mean bound\? \(AtLeast: "),
        (["at_least.bound=x"], "-p at_least.bound=x: .*expected "),
        (["at_least=4"], r"at_least is a stage; set a field of it \(.*bound.*\), or at_least=none takes it out"),
        (["at_least[1].bound=4"], "say which; there is one stage at_least"),
        (["text_length.adds=x"], "it belongs to the class TextLength or follows from its fields, and cannot be set"),
        (["a-b=1"], "'a-b' is no name"),
        (["text_length..x=1"], "'' is no name"),
    ],
)
def test_a_wrong_assignment_is_one_sentence(file, assignments, message):
    with pytest.raises(PlanError, match=message) as raised:
        build(find_recipe(f"{file}:long_texts"), assignments)
    assert "\n" not in str(raised.value)


def test_a_function_that_returns_no_pipeline_is_refused(file):
    with pytest.raises(PlanError, match="returned int, not a"):
        build(find_recipe(f"{file}:wrong"), [])


def test_a_stage_is_reached_by_its_name_and_taken_out_by_none():
    assert stage(set_in("densefusion", "min_clip_score.minimum=0.3"), "MinClipScore").minimum == 0.3
    assert stage(set_in("densefusion", "ocr.resources.cpus=2"), "Ocr").resources.cpus == 2
    assert stage(set_in("densefusion", "dense_caption.hints.budgets.total=9"), "DenseCaption").hints.budgets.total == 9
    assert stage(set_in("densefusion", "dense_caption.budget=none"), "DenseCaption").budget is None
    assert "MaxAspect" not in [type(one).__name__ for one in set_in("densefusion", "max_aspect=none").stages]


def test_a_parameter_wins_over_a_stage_of_its_name_but_has_no_fields_to_hide():
    assert stage(set_in("quickstart", "min_clip_score=0.3"), "MinClipScore").minimum == 0.3
    assert stage(set_in("quickstart", "min_clip_score.minimum=0.4"), "MinClipScore").minimum == 0.4


def test_the_retry_command_of_a_run_builds_its_pipeline_again(tmp_path):
    assignments = [
        "hints.budgets.total=900",
        'engine={"model": "my/vlm", "api_key_env": "MY_API_KEY", "servers": ["http://a/v1"]}',
        "engine.servers=http://b/v1,http://c/v1",
        'hints.objects.heading=The detector\'s "objects":\n',
        "max_aspect=none",
    ]
    pipeline, given = build(find_recipe("densefusion"), assignments)
    facts = {"sample_stage": "sample-v1", "stages": [], "verdict": "v", "limit": None, "code": "", "versions": {}}
    store = Store(str(tmp_path))
    save(store, Manifest(id="000001-r-0", recipe="densefusion", parameters=given, inputs=["in"], **facts), [])

    words = shlex.split(retry_command(store, load(store, "000001-r-0"), "bad"))
    again = [after for word, after in itertools.pairwise(words) if word == "-p"]
    assert words[:3] == ["curate", "retry", "densefusion"]
    assert build(find_recipe(words[2]), again)[0] == pipeline


def two_lengths() -> Pipeline:
    """Measure and bound twice."""
    return Pipeline([TextLength(), AtLeast("text_length", 1), AtLeast("text_length", 2)])


def test_of_two_stages_of_one_class_the_number_must_be_given():
    pipeline, _ = build(two_lengths, ["at_least[1].bound=7"])
    assert [one.bound for one in pipeline.stages[1:]] == [1, 7]
    with pytest.raises(PlanError, match=r"say which; the stages at_least are at_least\[0\], at_least\[1\]$"):
        build(two_lengths, ["at_least.bound=7"])


def test_numbers_of_stages_are_those_of_the_recipe_even_when_one_is_taken_out():
    pipeline, _ = build(two_lengths, ["at_least[0]=none", "at_least[1].bound=7"])
    assert [one.bound for one in pipeline.stages[1:]] == [7]


def test_a_value_that_stages_share_changes_in_all_of_them():
    pipeline = set_in("densefusion", "hints.budgets.total=77", "engine.model=Qwen/Qwen2.5-VL-7B-Instruct")
    writers = [one for one in pipeline.stages if hasattr(one, "engine") and hasattr(one, "hints")]
    assert len(writers) == 2
    assert {(one.hints.budgets.total, one.hints.place, one.engine.name) for one in writers} == {
        (77, "pixels", "Qwen/Qwen2.5-VL-7B-Instruct")
    }


def test_whole_values_come_before_their_parts_whatever_the_order():
    whole, part = 'engine={"model": "a", "max_model_len": 100}', "engine.model=b"
    for assignments in ([whole, part], [part, whole]):
        engine = stage(set_in("sail_caption", *assignments), "DenseCaption").engine
        assert (engine.name, engine.max_model_len) == ("b", 100)


def test_fields_that_are_only_valid_together_need_no_order():
    one, other = "engine.retries=1", "engine.servers=http://a/v1"
    assert set_in("sail_caption", one, other) == set_in("sail_caption", other, one)


def test_a_value_that_may_be_left_out_starts_from_its_defaults():
    pipeline = set_in("sail_caption", "judge.model=my/judge", "judge.gpus=2")
    assert stage(pipeline, "CaptionJudge").engine.name == "my/judge"
    assert stage(pipeline, "DenseCaption").engine.name == "Qwen/Qwen3-VL-8B-Instruct"


def test_a_gate_that_names_its_judge_by_id_follows_a_change_of_the_judge():
    """Else a calibration of the unchanged judge would let the changed one drop captions."""
    for assignment in ("caption_judge.max_tokens=99", "judge.model=my/judge", "longest_side_px=336"):
        pipeline = set_in("sail_caption", assignment)
        assert stage(pipeline, "CaptionGate").judge == stage_id(stage(pipeline, "CaptionJudge"))
        assert stage(pipeline, "CaptionGate").judge != stage(set_in("sail_caption"), "CaptionGate").judge


@pytest.mark.parametrize(
    ("recipe", "assignment", "message"),
    [
        ("densefusion", "vlm=nano/vlm", "no parameter 'vlm'; did you mean engine.model?"),
        ("caption_qa", "detector_px=320", "did you mean detector.image_size_px?"),
        ("densefusion", "gpus=0", r"did you mean engine.gpus or perception.detector.resources.gpus or "),
        ("densefusion", "max_aspect=2", "set a field of it .maximum."),
        ("densefusion", "engine=nano/vlm", "set one field of ChatModel: model, servers, cache"),
        ("densefusion", "engine.modle=x", "did you mean model?"),
        ("densefusion", "dense_caption.engine.gpus=0", "it is an engine, which stages share"),
        ("densefusion", "dense_caption.resources.cpus=1", "follows from its fields, and cannot be set"),
        ("densefusion", "clip.architecture=x", "computed from the other fields of Clip"),
        ("densefusion", "prompt.text=x", "prompt is a Prompt, which is set as a whole"),
        ("densefusion", "prompt=no/such.toml", "-p prompt: prompt file no/such.toml: cannot be read"),
        ("densefusion", "dense_caption.hints.budgets.total=-1", "Budgets: total is -1; it must be at least 0"),
        ("densefusion", "hints.min_line_score=nan", "expected float"),
        ("human_caption", "caption_kinds.kinds[9].max_tokens=1", r"kinds\[9\]: there is none; .* a tuple of 3"),
        ("caption_qa", "blind=org/big@http://a:8000/v1", "give a JSON object, or set one field of ChatModel"),
        ("caption_qa", 'blind=[{"model": "a", "srvers": []}]', "ChatModel has no field 'srvers'"),
    ],
)
def test_a_mistake_says_what_there_is_instead(recipe, assignment, message):
    with pytest.raises(PlanError, match=message):
        set_in(recipe, assignment)


def test_every_name_that_a_parameter_has_now_exists_in_some_recipe():
    paths = {one.path for name in known_recipes() for one in settings(find_recipe(name))}
    assert [new for new in RENAMED.values() if not any(f"{path}.".startswith(f"{new}.") for path in paths)] == []


@dataclass(frozen=True)
class Options:
    name: str
    size: int | None = None


def test_assignments_of_a_dataclass_are_its_arguments():
    assert read_assignments(Options, ["name=x", "size=none"]) == {"name": "x", "size": None}
    with pytest.raises(PlanError, match="Options needs -p name="):
        read_assignments(Options, ["size=4"])
    with pytest.raises(PlanError, match="Options has no parameter 'x'; it takes name, size"):
        read_assignments(Options, ["x=4"])
