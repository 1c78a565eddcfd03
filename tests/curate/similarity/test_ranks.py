"""Sort keys as integers have the order of numbers and texts."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import ContractError
from curate.similarity.ranks import cut_positions, ordered_bits, sort_order, splitters, uid_words

UIDS = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, width=32), max_size=20))
def test_bits_have_the_order_of_floats(values):
    floats = np.array(values, np.float32)
    bits = ordered_bits(floats)
    assert [[a < b for a in bits] for b in bits] == [[a < b for a in floats] for b in floats]


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint64])
def test_bits_have_the_order_of_integers_whole(kind):
    limits = np.iinfo(kind)
    values = np.array([limits.min, limits.min + 1, 0, 1, limits.max - 1, limits.max], kind)
    assert (ordered_bits(values[np.argsort(values, kind="stable")])[1:] >= ordered_bits(np.sort(values))[:-1]).all()
    assert len(set(ordered_bits(values).tolist())) == len(set(values.tolist()))


def test_bits_of_truths_put_false_first():
    assert ordered_bits(np.array([True, False])).argsort().tolist() == [1, 0]


@settings(deadline=None)
@given(st.lists(UIDS, max_size=20))
def test_words_have_the_order_of_uids(uids):
    order = sort_order(uid_words(pa.array(uids, pa.string())))
    assert [uids[i] for i in order] == sorted(uids)


@pytest.mark.parametrize("uid", ["", "7", "A" * 32, " " * 32, "0" * 31 + "x", "0" * 33])
def test_another_uid_is_one_sentence(uid):
    with pytest.raises(ContractError, match="a uid is not 32 hexadecimal digits"):
        uid_words(pa.array(["0" * 32, uid]))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30), st.integers(1, 6))
def test_splitters_cut_sorted_keys_into_ranges_that_hold_all_in_order(rows, parts):
    words = np.array(rows, np.uint64).reshape(-1, 2)
    words = words[sort_order(words)]
    keys = splitters(words, parts)
    cuts = [0, *cut_positions(words, keys).tolist(), len(words)]

    assert len(keys) == (parts - 1 if rows else 0)
    assert cuts == sorted(cuts)
    for key, cut in zip(keys.tolist(), cuts[1:], strict=False):
        assert all(row < key for row in words[:cut].tolist())
        assert all(row >= key for row in words[cut:].tolist())
