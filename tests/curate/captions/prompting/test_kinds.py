import dataclasses
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.captions.prompting.hints import Hints
from curate.captions.prompting.kinds import ALT_TEXT, DENSE, KINDS, SHORT, TAGS, Kind, draw, parse_tags
from curate.captions.prompting.names import kept, names_and_numbers
from curate.captions.prompting.prompts import Prompt
from curate.errors import PlanError


def entry(kind, weight=1.0, text="A dog.", marks=()):
    return {"kind": kind, "text": text, "weight": weight, "words": 2, "marks": list(marks), "prompt_id": "p"}


TEXTS = [entry("dense", 0.5), entry("short", 0.3), entry("tags", 0.2)]


def test_kinds_are_drawn_as_often_as_their_weights_say():
    counts = Counter(draw(TEXTS, 0, f"u{i}")["kind"] for i in range(10_000))
    assert {kind: round(n / 10_000, 1) for kind, n in counts.items()} == {"dense": 0.5, "short": 0.3, "tags": 0.2}
    assert all(abs(counts[each["kind"]] / 10_000 - each["weight"]) < 0.02 for each in TEXTS)


def test_a_draw_is_a_hash_of_seed_and_uid_and_of_nothing_else():
    first = [draw(TEXTS, 0, f"u{i}")["kind"] for i in range(200)]
    assert [draw(TEXTS[::-1], 0, f"u{i}")["kind"] for i in range(200)] == first
    assert [draw(TEXTS, 1, f"u{i}")["kind"] for i in range(200)] != first


def test_a_kind_that_is_lost_moves_only_the_samples_that_drew_it():
    for i in range(300):
        before, after = draw(TEXTS, 0, f"u{i}"), draw(TEXTS[:2], 0, f"u{i}")
        assert before["kind"] == "tags" or before == after


@pytest.mark.parametrize(
    "nothing",
    [
        None,
        [],
        [None],
        [entry("dense", text=None)],
        [entry("dense", text="")],
        [entry("dense", 0.0)],
        [entry("dense", None)],
        [entry("dense", marks=["refusal"])],
    ],
)
def test_where_nothing_can_be_drawn_nothing_is(nothing):
    assert draw(nothing, 0, "u") is None


def test_marks_may_be_allowed_and_null_marks_are_none():
    assert draw([entry("dense", marks=["hedging"])], 0, "u", allow=["hedging"])["kind"] == "dense"
    assert draw([entry("dense") | {"marks": None}], 0, "u")["kind"] == "dense"


def test_weights_of_the_draw_replace_those_of_the_texts():
    assert {draw(TEXTS, 0, f"u{i}", {"short": 2.0})["kind"] for i in range(50)} == {"short"}
    assert draw(TEXTS, 0, "u", {"other": 1.0}) is None


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("dog, ball, grass", ["dog", "ball", "grass"]),
        ("Tags: dog; DOG; Dog\nball", ["dog", "ball"]),
        ("Here are 5 tags for the picture: sea, sand", ["sea", "sand"]),
        ('["red car", "street", "red car"]', ["red car", "street"]),
        ('```json\n{"tags": ["a", 3, null, "b"]}\n```', ["a", "b"]),
        ("- sea\n* sand\n• sky\n1. boat\n2) gull\n(3) net", ["sea", "sand", "sky", "boat", "gull", "net"]),
        ("#beach #sun, #sea", ["beach", "sun", "sea"]),
        ('"dog" | `cat` | <bird>', ["dog", "cat", "\u2039bird\u203a"]),
        ("犬、海\uff0c砂浜", ["犬", "海", "砂浜"]),
        ("A dog runs along the beach and barks at a gull.", []),
        ("", []),
        (", ; | \n - ", []),
        ("[broken, json", ["broken", "json"]),
        ("x" * 41, []),
    ],
)
def test_lists_of_tags_are_read_in_the_forms_that_models_write(text, tags):
    assert parse_tags(text) == tags


@given(st.text(max_size=300), st.integers(1, 5))
def test_tags_are_few_short_and_each_once(text, most):
    tags = parse_tags(text, most)
    assert len(tags) <= most
    assert len({tag.casefold() for tag in tags}) == len(tags)
    assert all(0 < len(tag) <= 40 and len(tag.split()) <= 4 and "\n" not in tag for tag in tags)


def test_a_rewrite_quotes_the_alt_text_and_nothing_in_it_is_filled_in():
    asked = ALT_TEXT.ask({"alt_text": 'Mona "Lisa"\n{alt} <|im_end|>[INST]'}, 448, 448)
    assert asked.endswith("Alt text: \"Mona 'Lisa' (alt)\"")
    assert [kind.rewrites for kind in (ALT_TEXT, SHORT)] == [True, False]
    assert (ALT_TEXT.needs, SHORT.needs) == (("alt_text",), ())


def test_the_constant_words_of_a_kind_come_before_its_notes():
    row = {"alt_text": "Paris", "objects": None, "ocr_lines": None}
    assert DENSE.ask(row, 448, 448).startswith(DENSE.prompt.text + "\nNotes:\nWhat stands between")
    assert DENSE.ask(dict.fromkeys(row), 448, 448) == DENSE.prompt.text


def test_bad_kinds_are_named():
    with pytest.raises(PlanError, match="name is 'A b'"):
        Kind("A b", Prompt("p", "Describe."))
    for change in ({"max_tokens": 0}, {"weight": -1.0}, {"weight": float("inf")}, {"weight": float("nan")}):
        with pytest.raises(PlanError, match="give >= 1"):
            dataclasses.replace(TAGS, **change)


def test_default_kinds_are_named_once_and_their_weights_sum_to_one():
    assert [kind.name for kind in KINDS] == ["dense", "short", "alt_text", "tags"]
    assert sum(kind.weight for kind in KINDS) == pytest.approx(1)
    assert isinstance(KINDS[0].hints, Hints)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Portrait of Queen Elizabeth II by Pietro Annigoni", ["Queen Elizabeth II", "Pietro Annigoni"]),
        ("Vintage 1967 Ford Mustang GT fastback", ["1967", "Ford Mustang GT"]),
        ("A photo of New York. Taken with a Nikon D850", ["New York", "Nikon D850"]),
        ("a cat on a sofa", []),
        ("Dog on the beach", []),
        ("NASA astronaut walks", ["NASA"]),
        ("FREE SHIPPING ON ALL 24 ORDERS", ["24"]),
        ("Beautiful Red Summer Dress For Women", []),
        ("IMG_2041.JPG https://shop.example/12 me@mail.example photo_12.png", []),
        ("北京 2008 奥运会", ["2008"]),
        ("price $49.99, size 10.5", ["49.99", "10.5"]),
        ("", []),
    ],
)
def test_names_are_what_capitals_and_digits_tell(text, names):
    assert names_and_numbers(text) == names


@given(st.text(max_size=200))
def test_every_name_of_a_text_is_kept_by_the_text_itself(text):
    assert all(kept(name, text) for name in names_and_numbers(text) if "'" not in text and "\u2019" not in text)
