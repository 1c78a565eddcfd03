"""Laws of text similarity: true pairs only, groups that no order changes, and what n-grams are."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.similarity.components import components
from curate.similarity.minhash import Bands, choose_bands, find_similar_texts, jaccard, sketch
from curate.similarity.shingles import cut_shingles, normal_text

WORDS = [f"{a}{b}{c}" for a in ("bar", "kit", "lo", "men") for b in ("ta", "ri", "soo") for c in ("n", "ck", "lle")]


def groups(texts, similarity=0.8, languages=None, bands=None):
    shingles = cut_shingles(texts)
    numbers = np.zeros(len(texts), np.uint64) if languages is None else np.array(languages, np.uint64)
    sketches = sketch(shingles, numbers, bands or choose_bands(similarity))
    return components(len(texts), find_similar_texts(shingles, sketches, similarity))


def true_jaccard(a, b):
    left, right = (set(cut_shingles([text]).values.tolist()) for text in (a, b))
    return len(left & right) / len(left | right)


def sentences(count, seed):
    chance = random.Random(seed)
    texts = [" ".join(chance.choices(WORDS, k=chance.randint(3, 12))) for _ in range(count)]
    return texts + [f"{text} {chance.choice(WORDS)}" for text in texts[::3]]


@pytest.mark.parametrize(
    ("a", "b", "together"),
    [
        ("A red barn at dawn", "a red barn at dawn!", True),
        ("A red barn at dawn", "  A\nred   barn — at dawn", True),
        ("A red barn by the quiet lake at dawn, Vermont", "A red barn by the quiet lake at dawn, Vermont 2", True),
        ("A red barn at dawn", "a blue car in the rain", False),
        ("赤い納屋と静かな湖の夜明け", "赤い納屋と静かな湖の夜明け。", True),
        ("赤い納屋と静かな湖の夜明け", "青い車と雨の街", False),
        ("ab", "ab", True),
        ("ab", "ac", False),
    ],
)
def test_case_white_space_and_punctuation_count_for_nothing(a, b, together):
    assert (groups([a, b])[1] == 0) == together


def test_texts_without_letters_are_like_no_other():
    assert groups([None, None, "", "", "!!", "!!", "\0", "\0"]).tolist() == list(range(8))


def test_a_text_is_cut_alike_beside_any_other():
    texts = [*sentences(50, 1), "a\0b", "c", "\ud800 alone", "\ufb01ne \uff21\uff22"]
    together = cut_shingles(texts)
    for i, text in enumerate(texts):
        alone = cut_shingles([text])
        assert together.values[together.offsets[i] : together.offsets[i + 1]].tolist() == alone.values.tolist()


def test_normal_text_keeps_the_signs_that_make_up_letters():
    assert normal_text("हिन्दी, ไทย!") == "हिन्दी ไทย"


def test_jaccard_is_that_of_the_sets():
    texts = sentences(40, 2)
    pairs = np.array([(i, j) for i in range(len(texts)) for j in range(i)])
    expected = [true_jaccard(texts[i], texts[j]) for i, j in pairs]
    assert jaccard(cut_shingles(texts), pairs).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("similarity", [0.5, 0.8])
def test_all_groups_of_the_true_graph_are_found_but_for_the_promised_recall(similarity):
    texts = sentences(300, 3)
    everything = np.array([(i, j) for i in range(len(texts)) for j in range(i)])
    edges = everything[jaccard(cut_shingles(texts), everything) >= similarity]
    found = groups(texts, similarity)
    joined = [found[i] == found[j] for i, j in edges]
    assert len(edges) > 50
    assert np.mean(joined) >= 0.99
    true = components(len(texts), edges)
    assert all(true[i] == true[label] for i, label in enumerate(found))  # nothing is joined that is not connected


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(sentences(30, 4)), max_size=40), st.randoms(use_true_random=False))
def test_the_order_of_texts_changes_no_group(texts, chance):
    order = list(range(len(texts)))
    chance.shuffle(order)
    first, second = groups(texts), groups([texts[i] for i in order])
    for i in range(len(texts)):
        for j in range(i):
            assert (second[i] == second[j]) == (first[order[i]] == first[order[j]])


def test_parts_of_the_bands_give_together_the_groups_of_all():
    texts = sentences(200, 5)
    shingles, bands = cut_shingles(texts), choose_bands(0.6)
    sketches = sketch(shingles, np.zeros(len(texts), np.uint64), bands)
    parts = [find_similar_texts(shingles, sketches, 0.6, range(i, bands.count, 3)) for i in range(3)]
    whole = find_similar_texts(shingles, sketches, 0.6)
    assert components(len(texts), np.concatenate(parts)).tolist() == components(len(texts), whole).tolist()


def test_equal_texts_of_two_languages_stay_apart():
    assert groups(["radio", "radio", "radio"], languages=[1, 2, 1]).tolist() == [0, 1, 0]


def test_a_large_bucket_of_one_text_costs_no_pairs_of_all_with_all():
    texts = ["image not available"] * 30_000 + ["image not available now"]
    assert len(np.unique(groups(texts, 0.7))) == 1


def test_bands_are_the_longest_that_keep_the_recall():
    for similarity in (0.5, 0.7, 0.8, 0.9, 1.0):
        bands = choose_bands(similarity)
        assert bands.count * bands.rows <= 128
        assert bands.recall(similarity) >= 0.99
        longer = Bands(128 // (bands.rows + 1) or 1, bands.rows + 1)
        assert longer.recall(similarity) < 0.99 or bands.rows == 128


def test_components_take_pairs_in_any_order():
    pairs = np.array([(i, i + 1) for i in range(999)])
    assert not components(1000, pairs).any()
    assert not components(1000, np.random.default_rng(0).permutation(pairs)[:, ::-1]).any()
