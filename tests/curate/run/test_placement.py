"""Workers per pool and node are the optimum of a small linear program, rounded to what fits."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.engines.fake import FakeEngine
from curate.engines.vllm_engine import Vllm
from curate.experts.dense_caption import DenseCaption
from curate.experts.preference_pair import PreferencePair
from curate.experts.text_facts import TextFacts
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.run.cluster import Cluster, Node
from curate.run.pace import Rates
from curate.run.placement import Demand, pack, solve, time_left
from curate.run.sizing import Sizer, make_pools
from curate.stages import Resources

ONE, SHARE, WHOLE = Resources(), Resources(gpus=0.25), Resources(gpus=1.0)
MANY = 10**6


def one_node(cpus, gpus=0.0, **custom):
    return Cluster((Node(cpus, gpus, custom=tuple(custom.items())),))


def sizes(cluster, *demands):
    return solve([Demand(seconds, needs, most) for seconds, needs, most in demands], cluster).sizes


def test_the_example_of_ray_65540_is_balanced():
    assert sizes(one_node(126), (0.17, ONE, MANY), (0.21, ONE, MANY)) == (56, 70)


def test_a_mostly_idle_worker_takes_a_part_of_a_processor_and_the_slow_pool_the_rest():
    placement = solve([Demand(1.0, ONE, MANY), Demand(100.0, ONE, MANY)], one_node(8))
    assert placement.sizes == (1, 7)
    assert placement.cpus[0] < 0.2
    assert placement.cpus[1] == 1.0


def test_ocr_gets_the_processors_and_writers_the_gpus_that_are_left():
    facts, clip, ocr, detector, writer = sizes(
        one_node(64, 8),
        (1.3, ONE, MANY),
        (0.4, SHARE, MANY),
        (138.0, ONE, MANY),
        (9.0, SHARE, MANY),
        (22.0, WHOLE, MANY),
    )
    assert (facts, clip, detector, writer) == (1, 1, 3, 7)
    assert 44 <= ocr <= 57


def test_a_pool_that_is_through_gets_no_worker_and_one_without_shards_to_do_neither():
    assert sizes(one_node(8), (0.0, ONE, MANY), (5.0, ONE, MANY)) == (0, 8)
    assert sizes(one_node(8), (5.0, ONE, MANY), (5.0, ONE, 0)) == (8, 0)
    assert sizes(one_node(8), (5.0, ONE, 3), (5.0, ONE, MANY)) == (3, 5)


def test_a_pool_that_was_told_how_many_workers_has_them_whatever_is_measured():
    told = Resources(workers=3)
    assert sizes(one_node(8), (0.001, told, MANY), (100.0, ONE, MANY)) == (3, 5)
    assert sizes(one_node(8), (1000.0, told, MANY), (1.0, ONE, MANY))[0] == 3
    assert sizes(one_node(2), (1.0, told, MANY), (1.0, ONE, MANY)) == (1, 1)  # they do not fit


def test_an_actor_is_on_one_node_and_workers_without_a_gpu_leave_its_processors():
    unlike = Cluster((Node(4, 2), Node(12)))
    placement = solve([Demand(100.0, ONE, MANY), Demand(100.0, Resources(cpus=2, gpus=1.0), 2)], unlike)
    assert placement.workers[1] == (2, 0)
    assert placement.workers[0] == (0, 12)
    assert pack([Demand(1, Resources(gpus=2.0), 9)], [1], Cluster((Node(4, 1), Node(4, 1)))) is None


def test_a_share_of_a_gpu_is_one_of_one_device():
    assert pack([Demand(1, Resources(gpus=0.6), 9)], [2], one_node(9, 1)) is None
    assert pack([Demand(1, Resources(gpus=0.6), 9)], [2], one_node(9, 2)) is not None
    assert pack([Demand(1, WHOLE, 9), Demand(1, SHARE, 9)], [1, 5], one_node(9, 2)) is None


def test_two_engines_on_one_gpu_take_turns_the_first_first():
    assert sizes(one_node(8, 1), (5.0, WHOLE, MANY), (5.0, WHOLE, MANY)) == (1, 0)
    assert sizes(one_node(8, 1), (0.0, WHOLE, MANY), (5.0, WHOLE, MANY)) == (0, 1)


def test_more_pools_than_processors_share_them():
    placement = solve([Demand(5.0, ONE, MANY)] * 4, one_node(2))
    assert placement.sizes == (1, 1, 1, 1)
    assert sum(placement.cpus) <= 2


def test_custom_resources_stand_in_for_gpus():
    assert sizes(one_node(4, accelerator=2.0), (5.0, Resources(custom=(("accelerator", 1.0),)), MANY)) == (2,)
    assert sizes(one_node(4), (5.0, Resources(custom=(("accelerator", 1.0),)), MANY)) == (0,)


NODES = st.lists(st.builds(Node, st.integers(1, 8).map(float), st.integers(0, 3).map(float)), min_size=1, max_size=3)
NEEDS = st.builds(Resources, cpus=st.sampled_from([0.5, 1.0, 2.0]), gpus=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
DEMANDS = st.lists(st.builds(Demand, st.floats(0, 1000), NEEDS, st.integers(0, 30)), min_size=1, max_size=4)


@given(NODES.map(tuple).map(Cluster), DEMANDS)
def test_what_is_placed_fits_its_node(cluster, demands):
    placement = solve(demands, cluster)
    for k, node in enumerate(cluster.nodes):
        there = [
            (each[k], cpus, one) for each, cpus, one in zip(placement.workers, placement.cpus, demands, strict=True)
        ]
        assert sum(n * cpus for n, cpus, _ in there) <= node.cpus + 1e-4
        assert sum(n * one.needs.gpus for n, _, one in there) <= node.gpus + 1e-4
    assert all(n <= one.most for n, one in zip(placement.sizes, demands, strict=True))


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=4), st.integers(4, 40))
def test_no_other_sizes_are_faster(seconds, cpus):
    """On one node without GPUs the best integers can be counted: a time is reached if the rounded-up sum fits."""
    placement = solve([Demand(each, ONE, MANY) for each in seconds], one_node(cpus))
    reached = max(each / n for each, n in zip(seconds, placement.sizes, strict=True))
    faster = [int(each / (reached * 0.999)) + 1 for each in seconds]
    lone = [each / (reached * 0.999) if n == 1 else n for each, n in zip(seconds, faster, strict=True)]
    assert sum(max(part, 1 / 8) for part in lone) > cpus - 1e-6


# --- pools of a pipeline ---


def engine(name="fake", **needs):
    return FakeEngine(str, name, Resources(**needs))


def first_sizes(cluster, *stages, shards=100):
    """Return the sizes at the beginning of a run, before anything is measured."""
    segments = Pipeline(list(stages)).segments()
    pools = make_pools(segments, cluster)
    rates = Rates(tuple(segment.kind for segment in segments))
    return Sizer(segments, shards, rates, dict, lambda: 0.0)(pools, cluster).sizes


def test_each_gpu_gets_one_engine_and_as_many_as_there_are_shards():
    caption = DenseCaption(Vllm(Weights("org/model")))
    assert first_sizes(one_node(64, 8), TextFacts(), caption)[1] == 8
    assert first_sizes(one_node(64, 8), TextFacts(), caption, shards=6) == (6, 3)  # vLLM works on two shards at once


@pytest.mark.parametrize(
    ("needs", "workers"), [({"gpus": 0.25}, 32), ({"gpus": 2.0}, 4), ({"gpus": 1.0, "workers": 3}, 3)]
)
def test_an_engine_may_take_a_share_of_a_gpu_or_several_or_be_told_how_many(needs, workers):
    assert first_sizes(one_node(64, 8), DenseCaption(engine(**needs))) == (workers,)


def test_two_models_share_the_gpus():
    first, second = DenseCaption(engine("a", gpus=1.0)), PreferencePair(engine("b", gpus=1.0))
    assert first_sizes(one_node(64, 8), first, second) == (4, 4)
    assert first_sizes(one_node(64, 1), first, second) == (1, 0)


def test_two_stages_of_one_model_are_one_pool():
    assert first_sizes(one_node(64, 8), DenseCaption(engine(gpus=1.0)), PreferencePair(engine(gpus=1.0))) == (8,)


def test_an_engine_without_a_gpu_is_alone():
    assert first_sizes(one_node(4), DenseCaption(engine())) == (1,)


def test_time_left_is_that_of_the_slowest_pool_with_work():
    demands = [Demand(10.0, ONE, 9), Demand(30.0, ONE, 9), Demand(99.0, ONE, 0)]
    assert time_left(demands, [1, 2, 0]) == 15.0
    assert time_left(demands, [0, 2, 0]) == inf
