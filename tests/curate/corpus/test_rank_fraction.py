"""Ranks are those of a sort of all samples by score and uid, whatever the memory; fractions keep int(n * f) exactly."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.corpus.rank_fraction import RankFraction
from curate.corpus.tables import measure_tables
from curate.errors import ContractError
from curate.stages import Resources
from filters.max_rank import MaxRank
from filters.max_rank_frac import MaxRankFrac

SCORES = st.none() | st.sampled_from([0.0, -0.0, 0.25, -1.5, float("inf"), float("-inf"), float("nan")])
LANGUAGES = st.sampled_from(["en", "de", "", "\x1f", "\x1f\x1f", None])
ROWS = st.lists(st.tuples(SCORES, LANGUAGES, LANGUAGES, st.integers(0, 2)), max_size=25)


SCHEMA = pa.schema(
    [("uid", pa.string()), ("clip_score", pa.float32()), ("language", pa.string()), ("domain", pa.string())]
)


def uid(i):
    return f"{i * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128):032x}"


def shards_of(rows):
    """Return tables of the rows, each in the shard that its last entry says."""
    named = [(uid(i), *row) for i, row in enumerate(rows)]
    here = [[row for row in named if row[4] == shard] for shard in range(3)]
    columns = [list(zip(*rows, strict=True))[:4] or [()] * 4 for rows in here]
    return {str(shard): pa.table(each, schema=SCHEMA) for shard, each in enumerate(columns)}


def ranks(stage, rows):
    found = measure_tables(stage, shards_of(rows))
    return {row["uid"]: row["rank"] for table in found.values() for row in table.to_pylist()}


def sorted_ranks(rows, groups, sign):
    """Return the ranks by Python's own sort."""
    expected = {uid(i): None for i in range(len(rows))}
    scored = [(i, row) for i, row in enumerate(rows) if row[0] is not None and row[0] == row[0]]
    for group in {groups(row) for _, row in scored}:
        members = sorted((sign * row[0], uid(i)) for i, row in scored if groups(row) == group)
        expected |= {name: rank for rank, (_, name) in enumerate(members)}
    return expected


@settings(deadline=None, max_examples=15)
@given(rows=ROWS, gib=st.sampled_from([1e-7, 1e-6, 1.0]), highest=st.booleans())
def test_ranks_are_those_of_a_sort_by_score_then_uid(rows, gib, highest):
    stage = RankFraction(highest_first=highest, resources=Resources(memory_gib=gib))

    assert ranks(stage, rows) == sorted_ranks(rows, lambda row: None, -1 if highest else 1)


@settings(deadline=None, max_examples=15)
@given(rows=ROWS, gib=st.sampled_from([1e-7, 1.0]))
def test_within_groups_ranks_are_those_of_each_group_and_null_is_a_group(rows, gib):
    stage = RankFraction(within=("language", "domain"), resources=Resources(memory_gib=gib))

    assert ranks(stage, rows) == sorted_ranks(rows, lambda row: row[1:3], -1)


@pytest.mark.parametrize("fraction", [0.29, 0.3, 0.57, 1 / 3, 1.0])
@pytest.mark.parametrize("n", [1, 3, 7, 10, 100, 1000])
def test_a_fraction_keeps_exactly_int_n_f_of_those_with_a_score(n, fraction):
    scores = pa.table({"uid": [uid(i) for i in range(n + 3)], "clip_score": pa.array([0.5] * n + [None] * 3)})
    table = measure_tables(RankFraction(), {"0": scores})["0"]

    assert MaxRankFrac("rank_frac", fraction).keep(table).to_pylist().count(True) == int(n * fraction)
    assert MaxRank("rank", 5).keep(table).to_pylist().count(True) == min(5, n)
    assert table["rank_frac"].to_pylist()[-1] is None
    assert np.nanmax(np.array(table["rank_frac"].to_pylist(), float)) == 1.0


@pytest.mark.parametrize("values", [[2**62, 2**62 + 1], [True, False]])
def test_integers_and_truths_are_ranked_whole(values):
    table = pa.table({"uid": [uid(1), uid(2)], "n": values})
    (found,) = measure_tables(RankFraction("n"), {"0": table}).values()
    assert found["rank"].to_pylist() == [int(values[0] < values[1]), int(values[1] < values[0])]


def test_a_column_of_texts_is_one_sentence():
    table = pa.table({"uid": [uid(1)], "language": ["en"]})
    with pytest.raises(ContractError, match="language is string; give a column of numbers"):
        measure_tables(RankFraction("language"), {"0": table})


def test_several_ranks_have_a_prefix_each():
    stage = replace(RankFraction(), prefix="clip_")
    assert stage.adds.names == ["clip_rank", "clip_rank_frac", "clip_rank_count"]
    with pytest.raises(ValueError, match="prefix="):
        RankFraction(prefix="Clip ")
