"""Arrays are read in part, from a disk and from an object store, as they were written."""

import numpy as np
import pytest

from curate.storage.arrays import read_array, write_array
from curate.storage.store import Store

ARRAYS = [np.arange(24, dtype=np.uint64).reshape(12, 2), np.zeros((0, 3), np.float32), np.array([True, False])]


@pytest.mark.parametrize("array", ARRAYS, ids=str)
@pytest.mark.parametrize("part", [(0, None), (1, 5), (3, 3), (0, 100)])
def test_parts_are_those_of_the_array(tmp_path, array, part):
    write_array(Store(str(tmp_path)), "a.npy", array)
    found = read_array(Store(str(tmp_path)), "a.npy", *part)
    assert found.dtype == array.dtype
    assert found.tolist() == array[slice(*part)].tolist()


def test_an_object_store_gives_the_same(bucket):
    for array in ARRAYS:
        write_array(Store(bucket), "a.npy", array)
        assert read_array(Store(bucket), "a.npy", 1, 5).tolist() == array[1:5].tolist()
