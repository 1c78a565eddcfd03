import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.corpus.clusters import Clusters
from curate.corpus.embedding_files import embedding_shape, read_embeddings
from curate.corpus.reference_clusters import ReferenceClusters
from curate.corpus.tables import measure_tables
from curate.errors import ContractError, PlanError
from curate.models.weights import Weights
from curate.stages import stage_id

CENTROIDS = np.eye(4, dtype=np.float32)
REFERENCES = np.array([[1, 0.1, 0, 0], [0.9, 0, 0, 0.2], [0, 0, 3, 0], [0, 0, 0, 0]], np.float32)


@pytest.fixture
def write(tmp_path):
    def write(name, array):
        path = tmp_path / name
        if path.suffix == ".parquet":
            pq.write_table(pa.table({"clip_embedding": pa.array(list(array), pa.list_(pa.float32()))}), path)
        else:
            np.save(path, array)
        return Weights(str(path))

    return write


def pool(vectors, shards=1):
    uids = [f"{i:032x}" for i in range(len(vectors))]
    kind = pa.list_(pa.float16())
    rows = [None if v is None else np.asarray(v, np.float16) for v in vectors]
    table = pa.table({"uid": uids, "clip_embedding": pa.array(rows, kind)})
    return {f"{i:05}.tar": table[i::shards] for i in range(shards)} if shards > 1 else {"00000.tar": table}


def rows_of(found):
    return {
        row["uid"]: (row["reference_cluster"], row["reference_hit"], row["error_code"])
        for table in found.values()
        for row in table.to_pylist()
    }


def every_nth(vectors, shards):
    table = pool(vectors)["00000.tar"]
    return {f"{i:05}.tar": table.take(pa.array(range(i, table.num_rows, shards))) for i in range(shards)}


VECTORS = [[1, 0, 0, 0], [0, 1, 0, 0], [0.1, 0, 1, 0], [0, 0, 0, 2], None, [0, 0, 0, 0]]


@pytest.mark.parametrize("name", ["references.npy", "references.parquet"])
def test_a_sample_is_hit_where_a_reference_has_the_same_nearest_centroid(write, name):
    stage = ReferenceClusters(write(name, REFERENCES), centroids=write("centroids.npy", CENTROIDS))
    stage.check()
    rows = list(rows_of(measure_tables(stage, pool(VECTORS))).values())
    assert rows[:5] == [(0, True, None), (1, False, None), (2, True, None), (3, False, None), (None, None, None)]
    assert rows[5] == (None, None, "bad_embedding")


def test_given_centroids_are_nearest_by_inner_product_as_in_the_reference_code(write):
    """A short centroid loses against a long one, in whatever unit they are given."""
    for unit in (1.0, 1000.0):
        centroids = unit * np.array([[0.1, 0.0], [0.6, 0.8]], np.float32)
        stage = ReferenceClusters(write("r.npy", np.eye(2, dtype=np.float32)), centroids=write("c.npy", centroids))
        assert [r[0] for r in rows_of(measure_tables(stage, pool([[1, 0], [0, 1]]))).values()] == [1, 1]


def test_without_centroids_they_are_those_of_the_clusters_stage(write):
    generator = np.random.default_rng(0)
    vectors = list(generator.normal(size=(60, 8)).astype(np.float16))
    clusters = Clusters(clusters=5)
    stage = ReferenceClusters(write("references.npy", np.array(vectors[:3], np.float32)), clusters)
    found = rows_of(measure_tables(stage, pool(vectors)))
    own = measure_tables(clusters, pool(vectors))["00000.tar"]["cluster"].to_pylist()
    assert [cluster for cluster, _, _ in found.values()] == own
    assert [hit for _, hit, _ in found.values()] == [cluster in own[:3] for cluster in own]


@pytest.mark.parametrize("shards", [3, 17])
def test_shards_and_their_order_change_nothing(write, shards):
    vectors = list(np.random.default_rng(1).normal(size=(50, 6)).astype(np.float16))
    stage = ReferenceClusters(write("r.npy", np.array(vectors[:5], np.float32)), Clusters(clusters=7))
    cut = every_nth(vectors, shards)
    backwards = {f"{99 - i:05}.tar": table for i, table in enumerate(cut.values())}
    whole = rows_of(measure_tables(stage, pool(vectors)))
    assert rows_of(measure_tables(stage, cut)) == rows_of(measure_tables(stage, backwards)) == whole


def test_a_pool_without_embeddings_has_no_hits(write):
    stage = ReferenceClusters(write("r.npy", REFERENCES), Clusters(clusters=3))
    assert list(rows_of(measure_tables(stage, pool([None, None]))).values()) == [(None, None, None)] * 2
    assert measure_tables(stage, {}) == {}


def test_files_are_known_by_their_content(write, tmp_path):
    one = ReferenceClusters(write("r.npy", REFERENCES))
    (tmp_path / "other").mkdir()
    np.save(tmp_path / "other" / "r.npy", REFERENCES)
    assert stage_id(one) == stage_id(ReferenceClusters(Weights(str(tmp_path / "other" / "r.npy"))))
    assert stage_id(one) != stage_id(ReferenceClusters(write("r2.npy", REFERENCES[:2])))


def test_embeddings_of_another_model_are_one_sentence(write):
    stage = ReferenceClusters(write("r.npy", REFERENCES), centroids=write("c.npy", CENTROIDS[:, :3]))
    with pytest.raises(PlanError, match=r"embeddings of several lengths .*: 4, .*: 3\)"):
        stage.check()
    with pytest.raises(ContractError, match="embeddings of 4 numbers beside centroids of 2"):
        measure_tables(ReferenceClusters(write("r.npy", REFERENCES), Clusters(clusters=1)), pool([[1, 0], [0, 1]]))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (None, "no reference images are given; give a file of their embeddings"),
        (Weights("some/name"), "some/name is no path"),
        (Weights("/nowhere/r.npy"), "not found: /nowhere/r.npy"),
    ],
)
def test_references_that_are_not_there_are_one_sentence_before_work_starts(file, message):
    with pytest.raises(PlanError, match=message):
        ReferenceClusters(file).check()


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("a.npy", np.zeros(3, np.float32), "holds float32 of 3; give float embeddings"),
        ("a.npy", np.zeros((2, 3), np.int64), "holds int64 of 2 x 3"),
        ("a.npy", np.zeros((0, 3), np.float32), "holds float32 of 0 x 3"),
        ("a.parquet", [], "does not begin with an embedding"),
        ("a.parquet", [None, [1.0]], "does not begin with an embedding"),
    ],
)
def test_another_file_is_one_sentence(write, name, array, message):
    with pytest.raises(PlanError, match=message):
        embedding_shape(write(name, array).path())


def test_parquet_of_other_columns_or_several_lengths_is_one_sentence(write, tmp_path):
    from pathlib import Path

    pq.write_table(pa.table({"a": [1]}), tmp_path / "b.parquet")
    with pytest.raises(PlanError, match="give one column of lists of floats"):
        embedding_shape(tmp_path / "b.parquet")
    path: Path = write("c.parquet", [[1.0, 2.0], [1.0]]).path()
    with pytest.raises(PlanError, match="several lengths"):
        list(read_embeddings(path))
    (tmp_path / "d.parquet").write_bytes(b"no")
    with pytest.raises(PlanError, match="is not a Parquet file of embeddings"):
        embedding_shape(tmp_path / "d.parquet")
