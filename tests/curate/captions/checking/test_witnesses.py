import pytest

from curate.captions.checking.evidence import Evidence, Judged
from curate.captions.checking.lexicon import read_lexicon
from curate.captions.checking.witnesses import Asked, Columns, OpenSet
from curate.experts.caption_evidence import CaptionEvidence
from curate.stages import stage_id

COCO, LVIS = read_lexicon("coco80"), read_lexicon("lvis")
COLUMNS = Columns(("open_objects",), "tags")
WIDE = Evidence(LVIS, COCO.names, columns=COLUMNS)


def boxes(*labels, score=0.9):
    return [{"label": label, "box": [0.1, 0.1, 0.3, 0.3], "score": score} for label in labels]


def verdicts(caption, objects=(), asked=None, found=(), tags=None):
    rows = None if tags is None else [{"label": tag, "score": 0.9} for tag in tags]
    open_set = OpenSet((Asked(None if asked is None else boxes(*found), asked),), rows)
    claims = WIDE.measure(caption, boxes(*objects), None, open_set)
    return {one.claim: one.verdict for one in claims.verdicts if one.kind == "object"}


@pytest.mark.parametrize(
    ("caption", "seen", "expected"),
    [
        ("An animal.", ("dog",), {"animal": "supported"}),
        ("An animal.", (), {"animal": "unjudged"}),
        ("A dog.", ("cat",), {"dog": "contradicted"}),
        ("A poodle.", ("dog",), {"dog": "supported"}),
        ("An armchair.", ("chair",), {"armchair": "supported"}),
        ("An armchair.", (), {"armchair": "contradicted"}),
        ("A raincoat.", ("dog",), {"raincoat": "unjudged"}),
        ("A quokka.", ("dog",), {"quokka": "unjudged"}),
        ("No dog.", (), {}),
    ],
)
def test_a_closed_detector_judges_its_classes_and_what_is_under_them(caption, seen, expected):
    assert verdicts(caption, seen) == expected


def test_asked_and_not_found_is_contradicted_and_never_asked_is_unjudged():
    caption = "A quokka and a raincoat by a tightrope."
    found = verdicts(caption, asked=["quokkas", "Raincoat"], found=["raincoat"])
    assert found == {"quokka": "contradicted", "raincoat": "supported", "tightrope": "unjudged"}


def test_a_noun_is_judged_by_its_last_words():
    assert verdicts("A window sill.", asked=["sill"], found=["sill"]) == {"window sill": "supported"}
    assert verdicts("A glove.", asked=["baseball glove"], found=["baseball glove"]) == {"glove": "supported"}


def test_one_that_knows_both_and_sees_the_class_above_leaves_it_open():
    assert verdicts("A mug.", asked=["mug", "container"], found=["container"])["mug"] == "contradicted"
    assert Evidence(LVIS).measure("A mug.", boxes("cup"), None).unjudged == ("mug",)


def test_a_tag_supports_and_its_absence_contradicts_nothing():
    assert verdicts("A quokka and a wombat.", tags=["quokka"]) == {"quokka": "supported", "wombat": "unjudged"}
    assert verdicts("An animal and a dog.", tags=["dog"]) == {"animal": "supported", "dog": "supported"}


def test_one_witness_that_saw_it_is_enough():
    assert verdicts("A dog.", objects=(), asked=["dog"], found=["dog"]) == {"dog": "supported"}


def test_one_object_under_two_names_is_counted_once():
    two = [*boxes("dog"), {"label": "dog", "box": [0.6, 0.1, 0.8, 0.3], "score": 0.9}]
    claims = WIDE.measure("Three dogs.", two, None, OpenSet((Asked(boxes("puppy"), ["puppy"]),)))
    assert [(one.said, one.seen) for one in claims.wrong_counts] == [(3, 2)]


def test_things_named_one_by_one_are_not_all_that_there_are():
    assert WIDE.measure("A man and a woman.", boxes(*["person"] * 5), None).wrong_counts == ()
    assert len(WIDE.measure("Two men.", boxes(*["person"] * 5), None).wrong_counts) == 1


def test_a_class_named_by_one_above_or_under_it_is_not_missed():
    assert WIDE.measure("An animal.", boxes("dog"), None).missed == ()
    assert WIDE.measure("An armchair.", boxes("chair", "dog"), None).missed == ("dog",)


@pytest.mark.parametrize(
    ("caption", "objects", "lines", "coverage"),
    [
        ("A dog.", ["dog"], None, 1.0),
        ("A dog and a quokka.", ["dog"], None, 0.5),
        ("A quokka.", [], None, 0.0),
        ('A dog, "STOP".', ["dog"], None, 0.5),
        ('A dog, "STOP".', ["dog"], [], 1.0),
        ("Two dogs and three quokkas.", ["dog", "dog"], None, 0.5),
        ("Soft light.", ["dog"], [], None),
    ],
)
def test_coverage_is_the_share_of_the_claims_that_could_be_judged(caption, objects, lines, coverage):
    assert WIDE.measure(caption, boxes(*objects), lines).coverage == coverage


def test_nothing_measured_judges_nothing():
    claims = WIDE.measure("A dog.", None, None)
    assert claims.verdicts == (Judged("object", "dog", "unjudged"),)
    assert (claims.coverage, claims.supported, claims.unjudged) == (0.0, (), ())


def test_what_another_look_confirms_is_judged():
    claims = WIDE.measure("A quokka.", [], None).without_doubt_of(["quokka"])
    assert (claims.supported, claims.unjudged, claims.coverage) == (("quokka",), (), 1.0)


def test_columns_of_an_open_set_are_part_of_the_identity_and_of_the_needs():
    assert stage_id(CaptionEvidence(evidence=WIDE)) != stage_id(CaptionEvidence(evidence=Evidence(LVIS, COCO.names)))
    assert CaptionEvidence(evidence=WIDE).needs[-3:] == ("open_objects", "open_objects_asked", "tags")
    assert CaptionEvidence().needs == ("caption", "objects", "ocr_lines")
    assert "columns" not in repr(Evidence())


def test_a_box_counts_whatever_its_score_since_its_detector_has_a_threshold():
    found = OpenSet((Asked(boxes("quokka", score=0.05), ["quokka"]),))
    assert WIDE.measure("A quokka.", [], None, found).supported == ("quokka",)


def test_one_of_several_open_set_detectors_that_saw_it_is_enough():
    before, after = Asked([], ["quokka"]), Asked(boxes("quokka"), ["quokka", "wombat"])
    claims = WIDE.measure("A quokka, a wombat and a tightrope.", [], None, OpenSet((before, after)))
    assert (claims.supported, claims.unsupported, claims.unjudged) == (("quokka",), ("wombat",), ("tightrope",))
