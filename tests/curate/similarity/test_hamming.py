import itertools
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.similarity import hamming
from curate.similarity.components import components
from curate.similarity.hamming import find_near_hashes

HASH = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 3, 2**63, 2**64 - 1])


def brute(hashes, radius):
    pairs = itertools.combinations(range(len(hashes)), 2)
    return [[i, j] for i, j in pairs if (hashes[i] ^ hashes[j]).bit_count() <= radius]


@pytest.mark.parametrize("sort", [15, 0])  # 0: keys of as many bands as for billions of hashes
@given(st.lists(HASH, max_size=40), st.integers(0, 12), st.data())
@settings(deadline=None, max_examples=60)
def test_every_near_pair_of_different_hashes_is_found_once_and_nothing_else(sort, values, radius, data):
    for value in list(values):
        for bit in data.draw(st.lists(st.integers(0, 63), max_size=3)):
            values.append(value ^ 1 << bit)
    values = list(dict.fromkeys(values))[:80]
    with patch.object(hamming, "SORT", sort):
        assert find_near_hashes(np.array(values, np.uint64), radius).tolist() == brute(values, radius)


def test_equal_hashes_are_connected_through_the_first():
    pairs = find_near_hashes(np.array([7, 9, 7, 7], np.uint64), 0)
    assert pairs.tolist() == [[0, 2], [0, 3]]
    assert components(4, pairs).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("sort", [15, 0])
def test_crowded_values_of_a_key_are_cut_by_other_bits(monkeypatch, sort):
    monkeypatch.setattr(hamming, "CROWDED", 8)
    monkeypatch.setattr(hamming, "SORT", sort)
    rng = np.random.default_rng(0)
    values = [int(v) for v in np.unique(rng.integers(0, 2**12, 300)) << 20]  # most bands are equal in all
    assert find_near_hashes(np.array(values, np.uint64), 2).tolist() == brute(values, 2)


@pytest.mark.parametrize("values", [[], [5]])
def test_no_hash_and_one_hash_have_no_pair(values):
    assert find_near_hashes(np.array(values, np.uint64), 4).shape == (0, 2)


def test_a_bad_radius_says_what_is_allowed():
    with pytest.raises(ValueError, match="give 0 to 31 bits"):
        find_near_hashes(np.zeros(1, np.uint64), 32)
