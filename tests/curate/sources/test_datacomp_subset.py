import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import PlanError
from curate.sources import datacomp_subset
from curate.sources.datacomp_subset import (
    PAIR,
    check_sorted,
    contains,
    metadata_uid,
    open_subset,
    subset_bytes,
    uid_pairs,
)

UIDS = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")
NEAR = st.integers(0, 2**65).map(lambda number: f"{number:032x}")  # uids that differ in one half only


@pytest.fixture
def write(tmp_path):
    def write(data):
        path = tmp_path / "subset.npy"
        path.write_bytes(data if isinstance(data, bytes) else b"")
        if not isinstance(data, bytes):
            np.save(path, data)
        return path

    return write


@given(st.lists(UIDS | NEAR, max_size=30))
def test_the_order_is_that_of_the_hex_digits_and_numpy_reads_the_file_back(uids):
    loaded = np.load(io.BytesIO(subset_bytes(uid_pairs(uids))))
    assert loaded.dtype == np.dtype("u8,u8")
    assert [f"{high:016x}{low:016x}" for high, low in loaded.tolist()] == sorted(set(uids))


@given(st.sets(UIDS | NEAR, max_size=30), st.lists(UIDS | NEAR, max_size=30))
def test_a_search_finds_exactly_what_is_in_the_file(inside, asked):
    subset = np.unique(uid_pairs(sorted(inside)))
    asked = [*asked, *sorted(inside)]
    assert contains(subset, uid_pairs(asked)).tolist() == [uid in inside for uid in asked]


@given(st.lists(UIDS | NEAR, min_size=2, max_size=30))
def test_a_search_agrees_with_the_one_of_the_resharder(uids):
    subset = np.sort(uid_pairs(uids[: len(uids) // 2]))
    for uid in uids:
        key = np.array([divmod(int(uid, 16), 2**64)], PAIR)[0]
        count = np.searchsorted(subset, key, "right") - np.searchsorted(subset, key, "left")
        assert contains(subset, uid_pairs([uid])).tolist() == [count > 0]


def test_a_file_is_mapped_and_not_read(write):
    subset = open_subset(write(np.zeros(5, PAIR)))
    assert isinstance(subset, np.memmap)
    assert not subset.flags.writeable


def test_pairs_without_a_header_are_the_same_file(write):
    pairs = np.unique(uid_pairs([f"{number:032x}" for number in (3, 2**70, 1)]))
    assert open_subset(write(pairs.tobytes())).tolist() == open_subset(write(pairs)).tolist() == pairs.tolist()


def test_an_empty_file_holds_nothing(write):
    assert contains(open_subset(write(np.empty(0, PAIR))), uid_pairs(["0" * 32])).tolist() == [False]
    assert len(open_subset(write(b""))) == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((2, 2), np.uint64), "holds uint64 in 2 dimensions"),
        (np.zeros(3, "u4,u4"), "in 1 dimensions; a DataComp subset file holds u8,u8 in one"),
        (np.zeros((2, 1), PAIR), "in 2 dimensions"),
        (b"uid\n0000000000000000\n", "is not a DataComp subset file, which is an .npy of dtype u8,u8"),
        (b"\x93NUMPY\x01\x00", "is not a DataComp subset file"),
    ],
)
def test_another_file_is_one_sentence(write, data, message):
    with pytest.raises(PlanError, match=message) as error:
        open_subset(write(data))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("rows", [[(1, 0), (0, 9)], [(1, 5), (1, 4)], [(0, 0), (0, 1), (2, 2), (2, 1)]])
def test_rows_out_of_order_are_told_wherever_blocks_begin(rows, monkeypatch):
    for block in (1, 2, 100):
        monkeypatch.setattr(datacomp_subset, "BLOCK_ROWS", block)
        with pytest.raises(PlanError, match=f"is not sorted: row {len(rows) - 1} is below"):
            check_sorted(np.array(rows, PAIR), "subset.npy")
        check_sorted(np.sort(np.array([*rows, *rows], PAIR)), "subset.npy")


@pytest.mark.parametrize(
    ("metadata", "uid"),
    [
        ('{"uid": "00112233445566778899AABBCCDDEEFF"}', "00112233445566778899aabbccddeeff"),
        ('{"uid": "00112233445566778899AABBCCDDEEF"}', None),
        ('{"uid": "0x112233445566778899aabbccddeeff"}', None),
        ('{"uid": 5}', None),
        ('["uid"]', None),
        ("{", None),
        ("[" * 100_000, None),
        (None, None),
    ],
)
def test_a_uid_is_32_hex_digits_in_the_metadata(metadata, uid):
    assert metadata_uid(metadata) == uid
