"""Laws of sampling: shares to within one at every size, whatever the shards; uid and seed decide who is drawn."""

import dataclasses
import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from curate.corpus.stratified_sample import StratifiedSample
from curate.corpus.tables import measure_tables
from curate.errors import PlanError
from curate.stages import Resources

SIZES = {"en": 300, "de": 75, "is": 12, None: 3}


def pool():
    languages = [language for language, count in SIZES.items() for _ in range(count)]
    return pa.table(
        {"uid": [f"{i * 7919:032x}" for i in range(len(languages))], "text_language": pa.array(languages, pa.string())}
    )


def measured(stage, tables):
    joined = pa.concat_tables(measure_tables(stage, tables).values()).sort_by("uid")
    language = dict(zip(*(column.to_pylist() for column in pool().columns), strict=True))
    return [{"language": language[row["uid"]]} | row for row in joined.to_pylist()]


def cut(table, shards):
    order = np.random.default_rng(shards).permutation(table.num_rows)
    return {f"{i}": table.take(part) for i, part in enumerate(np.array_split(order, shards))}


@pytest.mark.parametrize("temperature", [1.0, 2.0, 3.3, math.inf])
def test_every_size_of_sample_has_the_shares_to_within_one(temperature):
    rows = measured(StratifiedSample(("text_language",), temperature), cut(pool(), 4))
    rows.sort(key=lambda row: row["sample_rank"])
    assert [row["sample_rank"] for row in rows] == list(range(len(rows)))
    weight = {language: count ** (1 / temperature) for language, count in SIZES.items()}
    for size in range(1, len(rows) + 1):
        drawn = Counter(row["language"] for row in rows[:size])
        if any(drawn[language] == count for language, count in SIZES.items()) and size < len(rows):
            break  # a stratum is used up: the others share the rest
        for language in SIZES:
            assert abs(drawn[language] - size * weight[language] / sum(weight.values())) <= 1.5
    assert size > 10


@pytest.mark.parametrize("stage", [StratifiedSample(), StratifiedSample(("text_language",), 2.0, seed=3)])
def test_shards_their_order_and_the_size_of_batches_change_nothing(stage):
    whole = measured(stage, {"0": pool()})
    assert measured(stage, cut(pool(), 3)) == whole
    assert measured(stage, cut(pool(), 17)) == whole
    assert measured(dataclasses.replace(stage, resources=Resources(memory_gib=2e-5)), cut(pool(), 5)) == whole


def test_temperature_changes_no_order_inside_a_stratum_and_the_seed_does():
    cold, warm, other = (
        {row["uid"]: row["stratum_rank"] for row in measured(stage, {"0": pool()})}
        for stage in (
            StratifiedSample(("text_language",)),
            StratifiedSample(("text_language",), 5.0),
            StratifiedSample(("text_language",), seed=1),
        )
    )
    assert cold == warm
    assert cold != other


def test_without_strata_it_is_a_plain_random_sample():
    rows = measured(StratifiedSample(), {"0": pool()})
    assert all(row["stratum_rank"] == row["sample_rank"] for row in rows)
    assert {row["stratum_count"] for row in rows} == {len(rows)}
    english = sum(row["language"] == "en" for row in rows if row["sample_frac"] <= 0.5)
    assert 120 < english < 180


@pytest.mark.parametrize("count", [0, 1])
def test_an_empty_pool_and_one_sample_are_no_trouble(count):
    assert [row["sample_rank"] for row in measured(StratifiedSample(), {"0": pool().slice(0, count)})] == [0] * count


def test_what_cannot_work_is_one_sentence():
    with pytest.raises(PlanError, match=r"temperature=0.5: give 1 or more"):
        StratifiedSample(temperature=0.5)
    with pytest.raises(PlanError, match="give a tuple of columns"):
        StratifiedSample("cluster")
