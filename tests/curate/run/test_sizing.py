"""Which segments are one pool, and when workers are moved."""

from curate.engines.fake import FakeEngine
from curate.experts.dense_caption import DenseCaption
from curate.pipeline import Pipeline
from curate.run.cluster import Cluster, Node
from curate.run.pace import Pace, Rate, Rates
from curate.run.sizing import Sizer, make_pools
from curate.stages import Resources
from tests.support.stages import AtLeast, Brightness, TextLength, number

LIKES_GPU = Resources(gpus="auto")


class Other(Brightness):
    adds = Brightness.adds.set(0, number("other"))


STAGES = [
    Brightness(resources=Resources()),
    Other(resources=LIKES_GPU),
    AtLeast("other", 1),
    TextLength(resources=Resources()),
    DenseCaption(FakeEngine(str, "fake", LIKES_GPU)),
]


def segments():
    return Pipeline(STAGES).segments()


def pools(cluster):
    return [pool.indices for pool in make_pools(segments(), cluster)]


def test_cpu_and_gpu_models_are_pools_of_their_own_where_there_are_gpus():
    assert [each.kind for each in segments()] == ["cpu", "gpu", "engine"]
    assert pools(Cluster((Node(16, 2),))) == [(0,), (1,), (2,)]


def test_without_gpus_one_worker_holds_both_and_the_engine_stays_apart():
    assert pools(Cluster((Node(16),))) == [(0, 1), (2,)]


def test_where_one_worker_of_each_has_no_room_perception_is_one_pool():
    assert pools(Cluster((Node(2, 2),))) == [(0, 1), (2,)]
    (perception, _) = make_pools(segments(), Cluster((Node(2, 2),)))
    assert perception.needs.gpus == 0.25


def sizer(cluster, shards=1_000, earlier=None):
    kinds = tuple(each.kind for each in segments())
    paces: dict[int, Pace] = {}
    made = Sizer(
        segments(), shards, Rates(kinds, earlier or {}), lambda: paces, lambda: float(len(made.rates.snapshots))
    )
    return made, make_pools(segments(), cluster), paces


def through(made, pools, index, shards, rows, pace):
    """Let a segment be through with some shards."""
    for _ in range(shards):
        made.rates.finished(made.clock(), index, rows)
    pools[index].done += shards


def test_rates_of_earlier_runs_size_the_pools_from_the_start():
    cluster = Cluster((Node(64, 8),))
    slow_cpu = {0: Rate(0.17, 100.0), 1: Rate(0.0004, 80.0), 2: Rate(1 / 36, 80.0)}
    slow_engine = {0: Rate(0.001, 100.0), 1: Rate(0.0004, 80.0), 2: Rate(1.0, 80.0)}
    first, second = (
        made(ready, cluster) for made, ready, _ in (sizer(cluster, earlier=e) for e in (slow_cpu, slow_engine))
    )
    assert first.sizes[0] > 40
    assert second.sizes[0] <= 2


def test_of_a_pool_of_which_nothing_is_known_a_few_workers_are_the_pilot():
    cluster = Cluster((Node(64, 8),))
    made, ready, _ = sizer(cluster)
    assert made(ready, cluster).sizes[0] == 16


def test_measured_rates_take_the_place_of_guesses():
    cluster = Cluster((Node(64, 8),))
    made, ready, paces = sizer(cluster)
    made(ready, cluster)
    through(made, ready, 0, 10, 100, paces)
    through(made, ready, 1, 10, 80, paces)
    through(made, ready, 2, 10, 80, paces)
    paces |= {0: Pace(1_000, 170.0), 1: Pace(800, 0.4), 2: Pace(800, 800 / 36)}
    assert made(ready, cluster).sizes[0] > 40


def test_a_small_drift_moves_nobody_and_a_large_one_does():
    cluster = Cluster((Node(64, 8),))
    earlier = {0: Rate(0.05, 100.0), 1: Rate(0.0004, 80.0), 2: Rate(1 / 36, 80.0)}
    made, ready, paces = sizer(cluster, earlier=earlier)
    before = made(ready, cluster)
    paces[0] = Pace(1_000, 51.0)
    assert made(ready, cluster) == before
    paces[0] = Pace(11_000, 51.0 + 1_700.0)
    assert made(ready, cluster).sizes[0] > 2 * before.sizes[0]


def test_a_few_seconds_won_are_not_worth_the_start_of_an_engine():
    cluster = Cluster((Node(64, 8),))
    earlier = {0: Rate(0.05, 100.0), 1: Rate(0.1, 80.0), 2: Rate(1 / 36, 80.0)}
    patient, hasty = (sizer(cluster, shards=100, earlier=earlier) for _ in range(2))
    for (made, ready, paces), seconds in ((patient, 60.0), (hasty, 0.0)):
        before = made(ready, cluster)
        for pool in ready:
            pool.start_seconds = seconds
        paces[1] = Pace(8_000, 8.0)  # a hundred times faster than it was: its part of the GPUs is free for the engine
        moved = made(ready, cluster) != before
        assert moved == (seconds == 0.0)


def test_nodes_that_join_are_used():
    small, large = Cluster((Node(8),)), Cluster((Node(8), Node(8)))
    one = Pipeline([Brightness(resources=Resources())]).segments()
    made, ready = Sizer(one, 100, Rates(("cpu",)), dict, lambda: 0.0), make_pools(one, small)
    assert made(ready, small).sizes == (8,)
    assert made(ready, large).workers == ((8, 8),)
