import pickle
import re

import pytest

from curate.captions.checking.lexicon import KEPT, Lexicon, read_lexicon
from curate.captions.checking.lexicon_text import read_text
from curate.errors import PlanError

COCO, LVIS = read_lexicon("coco80"), read_lexicon("lvis")


def named(text):
    return [(mention.label, mention.count) for mention in LVIS.mentions(text)]


def test_it_knows_the_categories_of_lvis_and_every_class_and_word_of_coco80_somewhere():
    assert len(LVIS.names) > 1203
    assert [name for name in COCO.names if LVIS.label_of(name) != name] == []
    words = {form.partition("|")[0] for _, forms in COCO.labels for form in forms} - {""}
    assert [word for word in sorted(words) if LVIS.label_of(word) is None] == []


def test_the_names_of_a_detector_of_lvis_are_known():
    spelled = ("baseball_bat", "Christmas tree", "sofa/couch/lounge", "bow_(weapon)", "computer_keyboard", "teddy_bear")
    assert None not in [LVIS.label_of(name) for name in spelled]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Two poodles and an armchair", [("dog", 2), ("armchair", 1)]),
        ("a horse trailer, a barber shop", [("shop", 1)]),
        ("A leather chair in a pizza restaurant", [("chair", 1), ("restaurant", 1)]),
        ("A cat watches two mugs", [("cat", 1), ("mug", 2)]),
        ("A truck can be seen", [("truck", 1)]),
        ("A can of soup", [("can", 1), ("soup", None)]),
        ("Gulls wheel above a boat", [("gull", None), ("boat", 1)]),
        ("The dog barks", [("dog", None)]),
        ("A baseball game with a batter", [("person", 1)]),
        ("A hot dog", [("hot dog", 1)]),
    ],
)
def test_a_word_that_only_describes_or_is_a_verb_names_nothing(text, expected):
    assert named(text) == expected


@pytest.mark.parametrize(
    ("label", "above"),
    [
        ("dog", "animal"),
        ("cat", "animal"),
        ("mug", "cup"),
        ("armchair", "chair"),
        ("car", "vehicle"),
        ("apple", "fruit"),
    ],
)
def test_classes_stand_above_classes(label, above):
    assert above in LVIS.above(label)
    assert label in LVIS.below(above)


def test_no_class_stands_above_itself_and_every_parent_is_a_class():
    assert [label for label in LVIS.names if label in LVIS.above(label)] == []
    assert {up for _, parents in LVIS.parents for up in parents} <= set(LVIS.names)
    with pytest.raises(PlanError, match="above itself"):
        Lexicon("x", (("a", ()), ("b", ())), parents=(("a", ("b",)), ("b", ("a",)))).above("a")


def test_the_classes_above_are_part_of_the_identity():
    flat = Lexicon("lvis", LVIS.labels, LVIS.ignored, LVIS.adjectives)
    assert repr(flat) != repr(LVIS)
    assert pickle.loads(pickle.dumps(LVIS)) == LVIS


def test_a_line_that_is_no_class_is_named():
    with pytest.raises(ValueError, match="line 2"):
        read_text("dog:\nnonsense")


def test_the_licence_of_wordnet_is_beside_what_was_made_from_it():
    assert "Princeton University" in (KEPT / "WORDNET-LICENSE").read_text(encoding="utf-8")
    for name in ("lvis.lexicon", "common-words.txt"):
        assert re.search(r"WordNet 3\.0", (KEPT / name).read_text(encoding="utf-8")[:1500])
