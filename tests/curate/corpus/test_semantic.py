"""Laws of clusters and semantic duplicates: the cut into shards and batches changes nothing, little is no trouble."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from curate.corpus.clusters import Clusters
from curate.corpus.semantic_duplicates import SemanticDuplicates
from curate.corpus.tables import measure_tables
from curate.errors import ContractError, PlanError
from curate.stages import Resources
from filters.max_semantic_cosine import MaxSemanticCosine


def pool(count=200, seed=0, dims=16):
    """Rows with embeddings near one of 12 directions, some null, some equal."""
    chance = np.random.default_rng(seed)
    centers = chance.standard_normal((12, dims))
    vectors = (centers[chance.integers(0, 12, count)] + 0.3 * chance.standard_normal((count, dims))).astype(np.float16)
    vectors[1::20] = vectors[::20]
    embeddings = [None if i % 23 == 5 else vector for i, vector in enumerate(vectors)]
    return pa.table(
        {
            "uid": [f"{int(a):016x}{i:016x}" for i, a in enumerate(chance.integers(0, 1 << 60, count))],
            "clip_embedding": pa.array(embeddings, pa.list_(pa.float16())),
            "clip_score": pa.array([None if i % 31 == 3 else i % 7 / 10 for i in range(count)], pa.float32()),
        }
    )


def cut(table, shards, seed=None):
    rows = np.arange(table.num_rows) if seed is None else np.random.default_rng(seed).permutation(table.num_rows)
    return {f"{i:05d}.tar": table.take(part) for i, part in enumerate(np.array_split(rows, shards))}


def measured(stage, tables):
    return pa.concat_tables(measure_tables(stage, tables).values()).sort_by("uid").to_pylist()


def with_clusters(table, clusters=8):
    found = pa.concat_tables(measure_tables(Clusters(clusters=clusters), {"0": table}).values())
    for name in ("cluster", "cluster_cosine"):
        table = table.append_column(name, found[name])
    return table


SMALL = Resources(memory_gib=5e-4)  # 32 rows a batch
STAGES = [
    Clusters(clusters=8),
    Clusters(clusters=8, sample_rows=50),
    Clusters(clusters=5, dims=4),
    SemanticDuplicates(),
    SemanticDuplicates(key="clip_score", highest_first=True),
]


@pytest.mark.parametrize("stage", STAGES, ids=repr)
@pytest.mark.parametrize("shards", [3, 17])
def test_shards_their_order_and_the_size_of_batches_change_nothing(stage, shards):
    table = with_clusters(pool())
    whole = measured(stage, cut(table, 1))
    assert measured(stage, cut(table, shards, seed=shards)) == whole
    assert measured(dataclasses.replace(stage, resources=SMALL), cut(table, shards, seed=1)) == whole


def by_the_paper(table, key, highest_first, epsilon):
    """Return the uids that SemDeDup removes, pair by pair."""
    rows = [row for row in table.to_pylist() if row["clip_embedding"] is not None]
    sign = -1 if highest_first else 1
    rows.sort(key=lambda row: (row[key] is None, sign * (row[key] or 0), row["uid"]))
    units = [np.array(row["clip_embedding"], np.float64) / np.linalg.norm(row["clip_embedding"]) for row in rows]
    return {
        row["uid"]
        for i, row in enumerate(rows)
        if any(row["cluster"] == rows[j]["cluster"] and units[i] @ units[j] > 1 - epsilon for j in range(i))
    }


@pytest.mark.parametrize(("key", "highest_first"), [("cluster_cosine", False), ("clip_score", True)])
@pytest.mark.parametrize("epsilon", [0.05, 0.4])
def test_with_its_filter_it_is_semdedup(key, highest_first, epsilon):
    table = with_clusters(pool())
    found = measured(SemanticDuplicates(key=key, highest_first=highest_first), cut(table, 4))
    keep = MaxSemanticCosine(1 - epsilon).keep(pa.Table.from_pylist(found)).to_pylist()
    dropped = {row["uid"] for row, kept in zip(found, keep, strict=True) if kept is False}
    assert dropped == by_the_paper(table, key, highest_first, epsilon)
    assert 10 < len(dropped) < table.num_rows


def test_equal_embeddings_share_a_cluster_and_one_of_them_comes_first():
    table = pool(40)
    twins = pa.concat_tables([table, table.set_column(0, "uid", [[f"{i:032x}" for i in range(40)]])])
    rows = {row["uid"]: row for row in measured(SemanticDuplicates(), cut(with_clusters(twins, 1000), 3))}
    for i in range(40):
        if table["clip_embedding"][i].is_valid:
            pair = rows[table["uid"][i].as_py()], rows[f"{i:032x}"]
            assert max(row["semantic_cosine"] for row in pair) == pytest.approx(1.0)


def test_a_sample_without_embedding_has_nothing_and_one_without_direction_an_error():
    table = pool(30)
    embeddings = table["clip_embedding"].to_pylist()
    embeddings[0], embeddings[1], embeddings[2] = None, [0.0] * 16, [float("nan")] * 16
    table = table.set_column(1, "clip_embedding", [pa.array(embeddings, pa.list_(pa.float16()))])
    clusters = measure_tables(Clusters(clusters=4), {"0": table})["0"].to_pylist()
    assert [row["cluster"] for row in clusters[:3]] == [None] * 3
    assert [row["error_code"] for row in clusters[:4]] == [None, "bad_embedding", "bad_embedding", None]
    duplicates = measure_tables(SemanticDuplicates(), {"0": with_clusters(table)})["0"].to_pylist()
    assert [row["error_code"] for row in duplicates[:3]] == [None, "bad_embedding", "bad_embedding"]
    assert [row["semantic_cosine"] for row in duplicates[:3]] == [None] * 3


def test_no_more_samples_than_clusters_are_a_cluster_each():
    table = pool(20, dims=8).filter([i % 20 not in (1, 5) for i in range(20)])  # neither twins nor nulls
    rows = with_clusters(table, 50_000).to_pylist()
    assert len({row["cluster"] for row in rows}) == len(rows)
    assert {row["semantic_cosine"] for row in measured(SemanticDuplicates(), cut(with_clusters(table, 50_000), 2))} == {
        -1
    }


@pytest.mark.parametrize("rows", [0, 1])
def test_an_empty_pool_and_one_sample_are_no_trouble(rows):
    tables = {"0": pool(1).slice(0, rows)}
    assert measured(Clusters(), tables) == [] if rows == 0 else measured(Clusters(), tables)[0]["cluster"] == 0
    found = measured(SemanticDuplicates(), {"0": with_clusters(pool(1)).slice(0, rows)})
    assert [row["semantic_cosine"] for row in found] == [-1.0] * rows


def test_all_null_and_all_equal():
    table = pool(30)
    nothing = table.set_column(1, "clip_embedding", [pa.nulls(30, pa.list_(pa.float16()))])
    assert {row["cluster"] for row in measured(Clusters(clusters=3), cut(nothing, 2))} == {None}
    assert {row["semantic_cosine"] for row in measured(SemanticDuplicates(), cut(with_clusters(nothing), 2))} == {None}
    same = table.set_column(1, "clip_embedding", [pa.array([[1.0, 2.0]] * 30, pa.list_(pa.float16()))])
    found = measured(SemanticDuplicates(), cut(with_clusters(same), 4))
    assert sum(row["semantic_cosine"] == -1 for row in found) == 1
    assert len({row["semantic_duplicate_of"] for row in found}) == 2


@pytest.mark.parametrize("stage", [Clusters(), SemanticDuplicates()])
@pytest.mark.parametrize("together", [True, False])
def test_embeddings_of_two_models_are_one_sentence(stage, together):
    tables = {"0": with_clusters(pool(10, dims=8)), "1": with_clusters(pool(10, seed=1, dims=16))}
    if together:
        tables = {"0": pa.concat_tables(tables.values())}
    with pytest.raises(
        ContractError, match=r"clip_embedding has embeddings of 8 and of 16 numbers: .* different models"
    ):
        measure_tables(stage, tables)


def test_a_column_that_is_no_embedding_is_one_sentence():
    table = pool(5).append_column("text", pa.array(["a"] * 5))
    with pytest.raises(ContractError, match="text is string; give a column of embeddings"):
        measure_tables(Clusters("text"), {"0": table})
    with pytest.raises(ContractError, match="dims=32: clip_embedding has embeddings of 16 numbers"):
        measure_tables(Clusters(dims=32), {"0": table})
    with pytest.raises(PlanError, match="clusters=0: give 1 or more"):
        Clusters(clusters=0)
