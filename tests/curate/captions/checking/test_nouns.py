import time

import pytest

from benchmarks.captions_truth import read_captions
from benchmarks.evidence import nouns
from curate.captions.checking.common_words import kind_of, singulars
from curate.captions.checking.evidence import Evidence
from curate.captions.checking.lexicon import read_lexicon
from curate.captions.checking.nouns import find_nouns, heads

LVIS = read_lexicon("lvis")


def found(text):
    return [(noun.label, noun.count) for noun in find_nouns(text, [])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Two quokkas on a window sill.", [("quokka", 2), ("window sill", 1)]),
        ("A stone wall and three chimneys", [("stone wall", 1), ("chimney", 3)]),
        ("There are no quokkas or chimneys; a zebra.", [("zebra", 1)]),
        ("The background of the image, on the left side", []),
        ("A man parks. The dogs bark.", [("dog", None)]),
        ("They walk to the park", [("park", None)]),
        ("It is beautifully leaning over them", []),
        ("In Paris, Anna smiles.", []),
        ('A label "chimney"', []),
        ("", []),
    ],
)
def test_nouns_are_the_last_words_of_phrases_for_things(text, expected):
    assert [noun for noun in found(text) if noun[0] not in ("man", "label")] == expected


def test_offsets_are_those_of_the_text():
    text = "İstanbul 🐕: under heavy clouds, straße, two old chimneys."
    assert [text[noun.start : noun.end] for noun in find_nouns(text, [])] == ["clouds", "chimneys"]


def test_what_the_lexicon_names_is_not_named_again():
    text = "A dog on a tightrope."
    mentions = LVIS.mentions(text)
    assert [noun.label for noun in find_nouns(text, mentions)] == ["tightrope"]


def test_most_nouns_of_the_written_captions_are_found():
    share = nouns(read_captions(held_out=False), Evidence(LVIS))
    assert share["found"] > 0.93
    assert share["found that are nouns for things"] > 0.88


@pytest.mark.parametrize(
    ("plural", "single"),
    [("boxes", "box"), ("berries", "berry"), ("wolves", "wolf"), ("women", "woman"), ("cups", "cup")],
)
def test_plurals_have_singulars(plural, single):
    assert singulars(plural)[0] == single


@pytest.mark.parametrize("word", ["glass", "bus", "this", "gas"[:2], "cactus"])
def test_what_only_looks_like_a_plural_has_none(word):
    assert singulars(word) == []


def test_words_are_what_they_mostly_are():
    assert [kind_of(word)[0] for word in ("chimney", "are", "very", "eaten", "zyxgh")] == [
        "thing",
        "other",
        "other",
        kind_of("eaten")[0],
        None,
    ]


def test_a_noun_is_a_kind_of_its_last_words():
    assert heads("garden wall") == ["garden wall", "wall"]


@pytest.mark.parametrize(
    "text",
    ["a chimney " * 10_000, "x" * 100_000, "no chimneys or " * 7_000, "stone " * 16_000, "“" * 100_000, "a " * 50_000],
)
def test_nouns_are_found_in_time_linear_in_the_text(text):
    start = time.thread_time()
    find_nouns(text, LVIS.mentions(text))
    assert time.thread_time() - start < 3
