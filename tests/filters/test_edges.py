"""What each threshold includes, and what a senseless one says."""

import pyarrow as pa
import pytest

from filters.caption_characters import CaptionCharacters
from filters.caption_clean import CaptionClean
from filters.caption_words import CaptionWords
from filters.language_in import LanguageIn
from filters.marked import none_of
from filters.max_aspect import MaxAspect
from filters.max_text_area import MaxTextArea
from filters.min_clip_score import MinClipScore
from filters.min_side import MinSide
from filters.no_boilerplate import NoBoilerplate
from filters.not_animated import NotAnimated


def kept(rule, **columns):
    return rule.keep(pa.table(columns)).to_pylist()


@pytest.mark.parametrize(("score", "keep"), [(0.28, True), (0.2799, False), (-1.0, False), (None, None)])
def test_clip_threshold_is_inclusive_in_the_column_s_own_precision(score, keep):
    assert kept(MinClipScore(0.28), clip_score=pa.array([score], pa.float32())) == [keep]


def test_a_clip_threshold_may_be_on_the_column_of_another_scorer_and_its_default_leaves_no_trace():
    rule = MinClipScore(0.1, column="siglip_clip_score")
    assert rule.needs == ("siglip_clip_score",)
    assert kept(rule, siglip_clip_score=[0.1, 0.09, None], clip_score=[0.0, 1.0, 1.0]) == [True, False, None]
    assert "column='siglip_clip_score'" in repr(rule)
    assert repr(MinClipScore(0.1)) == "MinClipScore(minimum=0.1)"


@pytest.mark.parametrize(("area", "keep"), [(0.1, True), (0.1001, False), (0.0, True), (None, None)])
def test_text_area_threshold_is_inclusive_in_the_column_s_own_precision(area, keep):
    assert kept(MaxTextArea(0.1), ocr_text_area_frac=pa.array([area], pa.float32())) == [keep]


@pytest.mark.parametrize(
    ("width", "height", "keep"),
    [(600, 200, True), (200, 600, True), (601, 200, False), (0, 100, False), (0, 0, False), (1, None, None)],
)
def test_aspect_is_inclusive_and_a_zero_side_drops(width, height, keep):  # seeds, trap 6
    size = {"image_width_px": pa.array([width], pa.int32()), "image_height_px": pa.array([height], pa.int32())}
    assert kept(MaxAspect(3.0), **size) == [keep]


@pytest.mark.parametrize("maximum", [1.15, 4 / 3, 1.1, 2.7])
def test_aspect_agrees_with_division(maximum):
    sides = [(w, h) for w in range(90, 130) for h in range(30, 60)]
    found = kept(MaxAspect(maximum), image_width_px=[w for w, _ in sides], image_height_px=[h for _, h in sides])
    assert found == [max(w, h) / min(w, h) <= maximum for w, h in sides]


@pytest.mark.parametrize(("width", "height", "keep"), [(200, 200, True), (199, 900, False), (None, 10, None)])
def test_the_shorter_side_counts(width, height, keep):
    size = {"image_width_px": pa.array([width], pa.int32()), "image_height_px": pa.array([height], pa.int32())}
    assert kept(MinSide(200), **size) == [keep]


def test_one_frame_is_a_still():
    assert kept(NotAnimated(), image_frames=[1, 2, 0, None]) == [True, False, False, None]


def test_word_bounds_include_both_ends_on_any_count():
    assert kept(CaptionWords(3, 4), text_words=[2, 3, 4, 5, None]) == [False, True, True, False, None]
    assert CaptionWords(column="caption_words").needs == ("caption_words",)
    assert kept(CaptionWords(2, column="caption_words"), caption_words=[1, 2]) == [False, True]


def test_datacomp_s_two_word_rules_are_different_filters():  # seeds, trap 7
    words = {"text_spaced_words": [1, 2, 3]}
    assert kept(CaptionWords(3, column="text_spaced_words"), **words) == [False, False, True]  # basic: > 2
    assert kept(CaptionWords(2, column="text_spaced_words"), **words) == [False, True, True]  # image-based: > 1


def test_character_bounds_include_both_ends():
    assert kept(CaptionCharacters(6, 7), text_characters=[5, 6, 7, 8]) == [False, True, True, False]


def test_language_needs_a_sure_detection_only_when_asked():
    facts = {"text_language": ["en", "en", "fr", None], "text_language_confidence": [0.2, 0.5, 0.9, None]}
    assert kept(LanguageIn(("en",)), **facts) == [True, True, False, None]
    assert kept(LanguageIn(("en",), 0.5), **facts) == [False, True, False, None]


def test_only_the_chosen_marks_drop():
    marks = {"text_marks": [["price"], ["url", "price"], [], None]}
    assert kept(NoBoilerplate(), **marks) == [True, False, True, None]
    assert kept(NoBoilerplate(("price",)), **marks) == [False, False, True, None]


def test_a_caption_may_carry_only_allowed_marks():
    marks = {"caption_marks": [["hedging"], ["hedging", "truncated"], [], None]}
    assert kept(CaptionClean(), **marks) == [False, False, True, None]
    assert kept(CaptionClean(("hedging",)), **marks) == [True, False, True, None]


def test_marks_are_found_in_sliced_lists():
    lists = pa.array([["a"], ["b", "a"], None, [], ["b"]])[1:]
    assert none_of(lists, pa.array([True, False, False])).to_pylist() == [False, None, True, True]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: MinSide(0), "minimum_px=0"),
        (lambda: MaxAspect(0.5), "maximum=0.5"),
        (lambda: MaxAspect(float("nan")), "maximum=nan"),
        (lambda: CaptionWords(5, 4), "maximum=4"),
        (lambda: CaptionCharacters(-1), "minimum=-1"),
        (lambda: LanguageIn("en"), "languages='en'"),
        (lambda: LanguageIn(()), "languages=()"),
        (lambda: LanguageIn(min_confidence=1.5), "min_confidence=1.5"),
        (lambda: NoBoilerplate(("spam",)), "unknown spam"),
        (lambda: MinClipScore(28), "minimum=28"),
        (lambda: MaxTextArea(1.2), "maximum=1.2"),
        (lambda: CaptionClean(("nice",)), "unknown nice"),
    ],
)
def test_a_senseless_threshold_is_named(make, named):
    with pytest.raises(ValueError, match=r"give|allowed") as error:
        make()
    assert named in str(error.value)
