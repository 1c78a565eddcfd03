import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.captions.questioning import answers, blind, labelled, nouns, phrases, questions, verifiers, written
from curate.captions.questioning.answers import read_box, read_count, read_number, read_range, read_seconds, to_corners
from curate.exports import sft

MODULES = [answers, blind, labelled, nouns, phrases, questions, sft, verifiers, written]


@given(st.integers(0, 9_999))
def test_a_count_in_digits_reads_as_itself(number):
    assert read_count(f"There are {number} of them.") == number
    assert read_number(f"{number:,} km") == number


@pytest.mark.parametrize(
    ("words", "number"),
    [("ninety-nine", 99), ("two hundred", 200), ("three hundred and twelve", 312), ("a dozen", 12), ("a pair", 2)],
)
def test_counts_in_words(words, number):
    assert read_count(words) == number


@pytest.mark.parametrize("text", ["two or three", "one, two", "a few", "2.5", "twenty 3", "thousands", ""])
def test_what_is_no_one_count(text):
    assert read_count(text) is None


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_a_clock_reads_as_seconds(hours, minutes, seconds):
    assert read_seconds(f"at {hours}:{minutes:02}:{seconds:02}") == 3600 * hours + 60 * minutes + seconds


def test_ranges_run_forward_and_boxes_have_an_area():
    assert read_range("3 to 7") == (3, 7)
    assert read_range("7 to 3") is None
    assert read_box("[1, 1, 1, 5]", "xyxy") is None
    assert read_box("1 2 3", "xyxy") is None


@given(st.tuples(*[st.integers(-50, 50)] * 2, *[st.integers(1, 50)] * 2))
def test_forms_of_a_box_are_one_box(box):
    x, y, width, height = box
    corners = to_corners((x, y, width, height), "xywh_corner")
    assert to_corners((x + width / 2, y + height / 2, width, height), "xywh_centre") == corners
    assert to_corners(corners, "xyxy") == corners
