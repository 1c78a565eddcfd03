"""How many engines a cluster gets: data parallel, one worker per share of a GPU."""

import pytest

from curate.engines.engine import Request
from curate.engines.fake import FakeEngine
from curate.engines.vllm_engine import Vllm
from curate.experts.dense_caption import DenseCaption
from curate.experts.preference_pair import PreferencePair
from curate.experts.text_facts import TextFacts
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.run.cluster import Cluster, Node
from curate.run.placement import pool_sizes
from curate.run.shares import needs_on
from curate.stages import Resources


def say(request: Request) -> str:
    return request.prompt


def engine(name="fake", **needs):
    return FakeEngine(say, name, Resources(**needs))


def cluster(cpus, gpus=0.0, **custom):
    return Cluster((Node(cpus, gpus, custom=tuple(custom.items())),))


def sizes(have, *stages, shards=100):
    segments = Pipeline(list(stages)).segments()
    return pool_sizes(segments, needs_on(segments, have), have, shards)


def test_each_gpu_gets_one_engine_and_perception_the_cpus_left():
    have = cluster(64.0, 8.0)
    caption = DenseCaption(Vllm(Weights("org/model")))
    assert sizes(have, TextFacts(), caption) == [56, 8]
    assert sizes(have, TextFacts(), caption, shards=5) == [5, 5]


@pytest.mark.parametrize(
    ("needs", "workers"), [({"gpus": 0.25}, 32), ({"gpus": 2.0}, 4), ({"gpus": 1.0, "workers": 3}, 3)]
)
def test_an_engine_may_take_a_share_of_a_gpu_or_several_or_be_told_how_many(needs, workers):
    have = cluster(64.0, 8.0)
    assert sizes(have, DenseCaption(engine(**needs))) == [workers]


def test_a_model_over_two_gpus_counts_as_two():
    have = cluster(64.0, 8.0)
    assert sizes(have, DenseCaption(Vllm(Weights("org/model"), tensor_parallel_size=2))) == [4]


def test_two_models_share_the_gpus():
    have = cluster(64.0, 8.0)
    assert sizes(have, DenseCaption(engine("a", gpus=1.0)), PreferencePair(engine("b", gpus=1.0))) == [4, 4]
    have = cluster(64.0, 1.0)
    assert sizes(have, DenseCaption(engine("a", gpus=1.0)), PreferencePair(engine("b", gpus=1.0))) == [1, 1]


def test_two_stages_of_one_model_are_one_pool():
    have = cluster(64.0, 8.0)
    assert sizes(have, DenseCaption(engine(gpus=1.0)), PreferencePair(engine(gpus=1.0))) == [8]


def test_custom_resources_stand_in_for_gpus():
    have = cluster(4.0, accelerator=2.0)
    assert sizes(have, DenseCaption(engine(custom=(("accelerator", 1.0),)))) == [2]
    have = cluster(4.0)
    assert sizes(have, DenseCaption(engine())) == [1]
