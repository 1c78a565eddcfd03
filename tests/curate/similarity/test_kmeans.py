"""Laws of nearest neighbours and k-means: exact, blind to blocks and threads, and sane where there is little."""

import numpy as np
import pytest

from curate.similarity import nearest as module
from curate.similarity.kmeans import KMeans, train
from curate.similarity.nearest import cosines, nearest, unit_vectors


def vectors(count, dims, seed=0):
    return unit_vectors(np.random.default_rng(seed).standard_normal((count, dims)))


def islands(count, clusters, seed=0, spread=0.1, dims=32):
    chance = np.random.default_rng(seed)
    centers = unit_vectors(chance.standard_normal((clusters, dims)))
    member = chance.integers(0, clusters, count)
    return (centers[member] + spread * chance.standard_normal((count, dims))).astype(np.float16), member


def test_the_nearest_is_that_of_double_precision():
    queries, keys = vectors(500, 64), vectors(300, 64, 1)
    exact = queries.astype(np.float64) @ keys.astype(np.float64).T
    assert nearest(queries, keys).tolist() == exact.argmax(axis=1).tolist()
    assert cosines(queries, keys[nearest(queries, keys)]) == pytest.approx(exact.max(axis=1))


def test_of_equal_keys_the_first_is_taken_whatever_stands_beside():
    keys = np.repeat(vectors(20, 48), 5, axis=0)
    found = nearest(vectors(200, 48, 1), keys)
    assert (found % 5 == 0).all()


def test_only_keys_before_count():
    points = vectors(200, 16)
    found = nearest(points, points, np.arange(200))
    exact = np.where(np.tri(200, k=-1, dtype=bool), points.astype(np.float64) @ points.T.astype(np.float64), -2)
    assert found[0] == -1
    assert found[1:].tolist() == exact.argmax(axis=1)[1:].tolist()


def test_a_row_is_answered_alike_in_blocks_of_any_size(monkeypatch):
    near = vectors(1, 256) + 1e-7 * np.random.default_rng(2).standard_normal((400, 256))  # ties but for the last bits
    keys = unit_vectors(np.concatenate([near, vectors(100, 256)]))
    queries = unit_vectors(np.concatenate([near[::7], vectors(50, 256, 3)]))
    whole = nearest(queries, keys)
    for scores in (1, 777, 4096):
        monkeypatch.setattr(module, "SCORES_AT_ONCE", scores)
        assert nearest(queries, keys).tolist() == whole.tolist()
    assert [nearest(query[None], keys)[0] for query in queries] == whole.tolist()


def test_vectors_without_a_direction_are_not_numbers():
    broken = unit_vectors(np.array([[0, 0], [np.inf, 1], [np.nan, 1], [3, 4]]))
    assert np.isnan(broken[:3]).all()
    assert broken[3].tolist() == pytest.approx([0.6, 0.8])


def test_nothing_to_compare_with_is_no_neighbour():
    assert nearest(vectors(3, 4), np.empty((0, 4), np.float32)).tolist() == [-1, -1, -1]
    assert nearest(np.empty((0, 4), np.float32), vectors(3, 4)).tolist() == []


def test_planted_islands_are_found():
    points, member = islands(3000, 20)
    centroids = train(points, KMeans(60, 15))
    label = nearest(unit_vectors(points), centroids)
    pure = [np.bincount(member[label == each]).max() for each in np.unique(label)]
    assert sum(pure) / len(points) > 0.99


def test_more_rounds_bring_vectors_closer_to_their_centroids():
    points, _ = islands(3000, 40, spread=0.5)
    unit = unit_vectors(points)
    closeness = [
        cosines(unit, centroids[nearest(unit, centroids)]).mean()
        for centroids in (train(points, KMeans(40, rounds)) for rounds in (0, 2, 10))
    ]
    assert closeness == sorted(closeness)


@pytest.mark.parametrize("clusters", [1, 3, 10, 1000])
def test_no_more_distinct_vectors_than_clusters_are_centroids_themselves(clusters):
    points = np.repeat(vectors(10, 8), 7, axis=0)
    centroids = train(points, KMeans(clusters))
    assert len(centroids) == min(clusters, 10)
    if clusters >= 10:
        assert cosines(points, centroids[nearest(points, centroids)]) == pytest.approx(np.ones(70))


def test_one_sample_many_twins_or_none_at_all():
    one = vectors(1, 8)
    assert train(one, KMeans(50)) == pytest.approx(one)
    assert len(train(np.repeat(one, 500, axis=0), KMeans(50))) == 1
    assert train(np.empty((0, 8), np.float16), KMeans(50)).shape == (0, 8)
    assert train(np.full((4, 8), np.nan), KMeans(50)).shape == (0, 8)


def test_a_cluster_without_vectors_takes_half_of_the_largest():
    twins = unit_vectors(vectors(1, 16) + 0.02 * np.random.default_rng(0).standard_normal((2000, 16)))
    points = np.concatenate([twins[:8], vectors(5, 16, 5), twins[8:]])
    label = nearest(unit_vectors(points), train(points, KMeans(8, 10)))
    assert len(np.unique(label)) == 8


def test_training_is_the_same_when_it_is_done_again():
    points, _ = islands(5000, 30, spread=0.3)
    assert train(points, KMeans(50)).tobytes() == train(points.copy(), KMeans(50)).tobytes()
