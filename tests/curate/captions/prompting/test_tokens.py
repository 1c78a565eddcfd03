import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.tokens import ratios, texts, tokenizers
from curate.captions.prompting.tokens import estimate_tokens


@given(st.text(max_size=100), st.text(max_size=100))
def test_parts_cost_at_least_as_much_as_the_whole(one, two):
    """So a block whose items and heading fit one by one fits."""
    assert estimate_tokens(one + two) <= estimate_tokens(one) + estimate_tokens(two)


@given(st.text(max_size=100))
def test_every_character_that_is_not_a_blank_counts(text):
    assert estimate_tokens(text) >= len(text.split()) / 2
    assert estimate_tokens(text) <= 2 * len(text)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("dog", 1), ("internationalisation", 4), ("1967", 4), ("\u6771\u4eac", 2), ("a  b", 3)],
)
def test_what_a_text_costs(text, tokens):
    assert estimate_tokens(text) == tokens


@pytest.mark.slow
def test_hints_cost_about_what_a_large_vocabulary_takes():
    pytest.importorskip("mistral_common")
    pytest.importorskip("sentencepiece")
    pytest.importorskip("open_clip")
    counts, kinds = tokenizers(), texts()
    for kind in ("boxes 0.000", "boxes 0-1000", "nano hint blocks", "English alt texts"):
        assert 1.0 <= ratios(kinds[kind], counts["tekken"])[0] <= 1.2
        assert 0.6 <= ratios(kinds[kind], counts["nano"])[0] <= 1.2
