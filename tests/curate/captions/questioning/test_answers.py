import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.captions.questioning import answers, blind, labelled, nouns, phrases, questions, verifiers, written
from curate.captions.questioning.answers import read_count
from curate.exports import sft

MODULES = [answers, blind, labelled, nouns, phrases, questions, sft, verifiers, written]


@given(st.integers(0, 9_999))
def test_a_count_in_digits_reads_as_itself(number):
    assert read_count(f"There are {number} of them.") == number


@pytest.mark.parametrize(
    ("words", "number"),
    [("ninety-nine", 99), ("two hundred", 200), ("three hundred and twelve", 312), ("a dozen", 12), ("a pair", 2)],
)
def test_counts_in_words(words, number):
    assert read_count(words) == number


@pytest.mark.parametrize("text", ["two or three", "one, two", "a few", "2.5", "twenty 3", "thousands", ""])
def test_what_is_no_one_count(text):
    assert read_count(text) is None
