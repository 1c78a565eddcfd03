"""Texts become values by type hints, and values become texts that are read as them."""

from dataclasses import dataclass
from typing import Literal

import pytest

from curate.captions.checking.lexicon import read_lexicon
from curate.captions.prompting.prompts import BUNDLED, Prompt
from curate.engines.engine import Engine
from curate.errors import PlanError
from curate.models.weights import Weights
from curate.recipe.values import parse_value, type_name, value_text


@dataclass(frozen=True)
class Point:
    x: int = 0
    label: str = "here"


@pytest.mark.parametrize(
    ("text", "hint", "value"),
    [
        ("5", int, 5),
        ("0.5", float, 0.5),
        ("true", bool, True),
        ("0", bool, False),
        ("5", str, "5"),
        ("none", str, "none"),
        ("none", str | None, None),
        ("NULL", int | None, None),
        ("5", int | None, 5),
        ("5", int | str, 5),
        ("a", int | str, "a"),
        ("png", Literal["jpeg", "png"], "png"),
        ("a, b", tuple[str, ...], ("a", "b")),
        ('["a,b"]', tuple[str, ...], ("a,b",)),
        ("", tuple[str, ...], ()),
        ("[]", tuple[str, ...], ()),
        ("yes,no", tuple[str, str], ("yes", "no")),
        ("1,2", tuple[int, ...], (1, 2)),
        ('{"a": 1, "b": 0.5}', tuple[tuple[str, float], ...], (("a", 1.0), ("b", 0.5))),
        ('[["a", 1]]', tuple[tuple[str, float], ...], (("a", 1.0),)),
        ('{"a": 1}', dict[str, float], {"a": 1.0}),
        ('{"x": 3}', Point, Point(3)),
        ('{"x": 3}', Point | None, Point(3)),
        ('[{"x": 3}, {}]', tuple[Point, ...], (Point(3), Point())),
        ("yolo11x.pt", Weights, Weights("yolo11x.pt")),
        ("none", Weights | None, None),
        ("coco80", type(read_lexicon("coco80")), read_lexicon("coco80")),
        ("fusion-v1", Prompt, BUNDLED["fusion-v1"]),
    ],
)
def test_a_text_is_read_by_the_type(text, hint, value):
    assert parse_value(text, hint) == value


def test_json_leaves_the_fields_that_it_does_not_name():
    assert parse_value('{"x": 3}', Point, Point(1, "there")) == Point(3, "there")


def test_prompts_come_from_a_file(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[[prompt]]\nid = "a"\ntext = "A"\n[[prompt]]\nid = "b"\ntext = "B"\n')
    assert [prompt.id for prompt in parse_value(str(file), tuple[Prompt, ...])] == ["a", "b"]
    with pytest.raises(PlanError, match="2 prompts"):
        parse_value(str(file), Prompt)


@pytest.mark.parametrize(
    ("text", "hint", "message"),
    [
        ("x", int, "expected int"),
        ("inf", float, "expected float"),
        ("gif", Literal["jpeg", "png"], "expected jpeg | png"),
        ("x", int | None, "'x' is no value of the type int | None"),
        ("x", Point, "give a JSON object, or set one field of Point: x, label"),
        ("x", Point | None, "give a JSON object, or set one field of Point: x, label"),
        ("{x", Point, "not a JSON object"),
        ('{"y": 1}', Point, "Point has no field 'y'; it has x, label"),
        ("[1", tuple[int, ...], "not a JSON list"),
        ("a", tuple[str, str], "has 1 values, and 2 are expected"),
        ("x", Engine, "Engine is an object that only Python can make"),
        ("[" * 100_000, tuple[int, ...], "not a JSON list"),
    ],
)
def test_a_text_of_another_type_says_what_is_expected(text, hint, message):
    with pytest.raises(ValueError, match=message.replace("|", r"\|")):
        parse_value(text, hint)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (None, int | None),
        (True, bool),
        (1e-9, float),
        ("", str),
        ((), tuple[str, ...]),
        (("a b", "c"), tuple[str, ...]),
        (("a,b", ""), tuple[str, ...]),
        ((("a", 1.0),), tuple[tuple[str, float], ...]),
        ({"a": 1.0}, dict[str, float]),
        ((Point(1), Point()), tuple[Point, ...]),
        (Point(4, "ä"), Point),
    ],
)
def test_the_text_of_a_value_is_read_as_the_value(value, hint):
    assert parse_value(value_text(value), hint) == value


def test_the_text_of_a_whole_number_where_a_fraction_may_stand_keeps_its_repr():
    """A stage's `repr` is its identity: `MinFace(side_px=128)` set to 128 stays the same stage."""
    assert repr(parse_value("128", float, 128)) == "128"
    assert repr(parse_value("129", float, 128)) == "129.0"


def test_a_value_that_has_no_file_of_its_own_is_named_by_its_text():
    mine = Prompt("mine", "Words that are in no file.")
    assert parse_value("mine", Prompt, mine) == mine


def test_types_are_written_as_people_do():
    assert type_name(tuple[tuple[str, float], ...] | None) == "tuple[tuple[str, float], ...] | None"
