import numpy as np
import pyarrow as pa
import pytest

from curate.corpus.match_rank import MatchRank, match_ranks
from curate.corpus.tables import measure_tables
from curate.errors import ContractError, PlanError
from curate.stages import Resources
from filters.max_rank_frac import MaxRankFrac

RNG = np.random.default_rng(0)


def pool(rows, languages=("en", "de", None), size=16):
    """Return a table of pairs of which every third has a text of its own, in some languages."""
    images = RNG.normal(size=(rows, size))
    texts = np.where(np.arange(rows)[:, None] % 3 == 0, images, RNG.normal(size=(rows, size)))
    unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (images, texts)]
    return pa.table(
        {
            "uid": [f"{value:032x}" for value in RNG.permutation(rows) * 7919],
            "clip_embedding": pa.array(unit[0].astype(np.float16).tolist(), pa.list_(pa.float16())),
            "clip_text_embedding": pa.array(unit[1].astype(np.float16).tolist(), pa.list_(pa.float16())),
            "text_language": pa.array([languages[i % len(languages)] for i in range(rows)], pa.string()),
        }
    )


def cut(table, shards, order=None):
    order = np.arange(table.num_rows) if order is None else order
    return {f"{number:03d}": table.take(pa.array(part)) for number, part in enumerate(np.array_split(order, shards))}


def by_uid(found):
    rows = pa.concat_tables(found.values()).to_pylist()
    return {row["uid"]: (row["match_rank"], row["match_rank_frac"], row["match_rank_count"]) for row in rows}


def test_a_pair_is_compared_both_ways_and_the_better_rank_counts():
    images = np.array([[1, 0], [0.8, 0.6], [0, 1]])
    texts = np.array([[0.6, 0.8], [1, 0], [0, 1]])
    ranks, count = match_ranks(images, texts, 64)
    assert count == 3
    assert ranks.tolist() == [1, 1, 0]


def test_equal_cosines_are_not_better_and_one_alone_is_the_best():
    same = np.ones((5, 4)) / 2
    assert match_ranks(same, same, 64)[0].tolist() == [0] * 5
    assert match_ranks(same[:1], same[:1], 64)[0].tolist() == [0]


@pytest.mark.parametrize("shards", [1, 3, 17])
def test_ranks_do_not_depend_on_shards_their_order_or_memory(shards):
    table = pool(400)
    whole = by_uid(measure_tables(MatchRank(among=16), cut(table, 1)))
    shuffled = cut(table, shards, RNG.permutation(400))
    small = MatchRank(among=16, resources=Resources(memory_gib=1e-5))
    assert by_uid(measure_tables(small, shuffled)) == whole
    counts = [count for _, _, count in whole.values()]
    assert max(counts) == 16
    assert sum(count == 16 for count in counts) > 0.9 * len(counts)  # a group is smaller now and then, by chance


def test_true_pairs_come_first_and_the_top_eighth_keeps_few_others():
    table = pool(900, ("en",))
    found = measure_tables(MatchRank(), {"a": table})["a"]
    kept = np.array(MaxRankFrac("match_rank_frac", 8 / 64).keep(found).to_pylist())
    true = np.arange(900) % 3 == 0
    assert kept[true].all()
    assert kept[~true].mean() < 0.35  # two chances of an eighth each


def test_a_language_is_compared_with_itself_alone():
    table = pool(200, ("en",))
    alone = by_uid(measure_tables(MatchRank(), {"a": table}))
    other = pool(150, ("de",)).set_column(0, "uid", [[f"f{i:031x}" for i in range(150)]])
    together = by_uid(measure_tables(MatchRank(), {"a": table, "b": other}))
    assert {uid: together[uid] for uid in alone} == alone


def test_rows_without_an_embedding_have_no_rank_and_few_rows_are_compared_with_few():
    table = pool(5, ("en",))
    nulls = pa.array([None, *table["clip_embedding"].to_pylist()[1:]], pa.list_(pa.float16()))
    found = measure_tables(MatchRank(), {"a": table.set_column(1, "clip_embedding", nulls), "b": table[:0]})["a"]
    assert found["match_rank"].to_pylist()[0] is None
    assert found["match_rank_count"].to_pylist() == [None, 4, 4, 4, 4]
    none = table.set_column(1, "clip_embedding", pa.nulls(5, pa.list_(pa.float16())))
    assert measure_tables(MatchRank(), {"a": none})["a"]["match_rank"].null_count == 5
    assert measure_tables(MatchRank(), {"a": table[:0]})["a"].num_rows == 0


def test_embeddings_of_two_models_are_refused():
    table = pool(6)
    short = pa.array([each[:8] for each in table["clip_embedding"].to_pylist()], pa.list_(pa.float16()))
    with pytest.raises(ContractError, match="of two models"):
        measure_tables(MatchRank(), {"a": table.set_column(1, "clip_embedding", short)})
    with pytest.raises(PlanError, match="among=1"):
        MatchRank(among=1)
