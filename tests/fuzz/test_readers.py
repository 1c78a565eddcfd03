"""Damaged bytes give samples or a documented error, whatever is broken; `python -m faults.fuzz` runs for longer."""

import functools
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faults.fuzz import damage, targets

QUICK = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", ["tar", "tar.gz", "parquet", "image", "text"])
@QUICK
@given(number=st.integers(0, 2**32))
def test_damaged_files(tmp_path_factory, name, number):
    rng = random.Random(number)
    target = read_by(tmp_path_factory.getbasetemp(), name)

    target.run(damage(rng, rng.choice(target.seeds)))  # raises whatever must not happen


@pytest.mark.parametrize("name", ["tar", "parquet", "image", "text"])
@QUICK
@given(data=st.binary(max_size=2000), start=st.integers(0, 64))
def test_any_bytes_after_the_beginning_of_a_good_file(tmp_path_factory, name, data, start):
    target = read_by(tmp_path_factory.getbasetemp(), name)

    target.run(target.seeds[0][:start] + data)


@functools.cache
def read_by(folder, name):
    return next(target for target in targets(folder) if target.name == name)
