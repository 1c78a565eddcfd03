"""How "auto" becomes a number: none, one and many GPUs."""

import dataclasses

import pytest

from curate.engines.cached import Cached
from curate.engines.openai_server import OpenAIServer
from curate.engines.vllm_engine import Vllm
from curate.experts.blind_answers import BlindAnswers
from curate.experts.caption_objects import CaptionObjects
from curate.experts.clip import Clip
from curate.experts.dense_caption import DenseCaption
from curate.experts.open_objects import OpenObjects
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.run.cluster import Cluster, Node
from curate.run.shares import beside_engines, needs_on, settled, split_sentence
from curate.run.spec import RunSpec
from curate.stages import Resources

GIB = 1 << 30
WRITER = DenseCaption(Vllm(Weights("org/model")))


def gpus(node, *stages):
    return [needs.gpus for needs in needs_on(Pipeline(stages).segments(), Cluster((node,)))]


def test_without_gpus_auto_is_none():
    assert gpus(Node(8), Clip(), WRITER) == [0, 0]


def test_with_a_gpu_to_spare_an_engine_gets_a_whole_one_and_the_others_what_their_memory_needs():
    assert gpus(Node(64, 8, gpu_memory_bytes=80 * GIB), Clip(), WRITER) == [0.05, 1]
    assert gpus(Node(64, 8), Clip(), WRITER) == [0.25, 1]


def test_on_one_gpu_they_share_it_and_fill_it():
    assert gpus(Node(16, 1, gpu_memory_bytes=40 * GIB), Clip(), WRITER) == [0.1, 0.9]
    assert gpus(Node(16, 1), Clip(), WRITER) == [0.25, 0.75]
    assert gpus(Node(16, 1, gpu_memory_bytes=4 * GIB), Clip(), WRITER) == [0.5, 0.5]


def test_where_an_autoscaler_may_add_gpus_an_engine_waits_for_one_and_other_models_alone_do_not():
    growing = Cluster((Node(8),), autoscales=True)
    assert [needs.gpus for needs in needs_on(Pipeline([Clip(), WRITER]).segments(), growing)] == [0.25, 1]
    assert [needs.gpus for needs in needs_on(Pipeline([Clip()]).segments(), growing)] == [0]


def test_two_engines_share_the_only_gpu():
    assert gpus(Node(16, 1), WRITER, dataclasses.replace(WRITER, engine=Vllm(Weights("org/other")))) == [0.5, 0.5]


def test_a_number_stays_what_it_is_and_auto_gets_the_rest():
    clip = Clip(resources=Resources(gpus=0.4))
    assert gpus(Node(16, 1), clip, WRITER) == [0.4, 0.6]
    assert gpus(Node(16, 0), clip, WRITER) == [0.4, 0]


def test_a_worker_s_stages_have_numbers_and_the_recipe_s_keep_auto():
    caption = dataclasses.replace(WRITER, engine=Cached(WRITER.engine, "/tmp/answers"))
    pipeline = Pipeline([Clip(weights=Weights("tag")), caption])
    spec = dataclasses.replace(RunSpec.resolve(pipeline, "/tmp/dataset"), gpus=(0.1, 0.9))

    first, second = settled(spec, 0), settled(spec, 1)

    assert first.steps[0].stage.resources.gpus == 0.1
    assert first.steps[1].stage == caption
    assert second.steps[1].stage.engine.engine.gpus == 0.9
    assert second.steps[1].stage.engine.engine.memory_frac == pytest.approx(0.81)
    assert [step.id for step in second.steps] == [step.id for step in spec.steps]
    assert pipeline.stages[0].resources.gpus == "auto"


def test_two_engines_of_one_worker_share_what_it_holds():
    engines = (Vllm(Weights("org/a")), Vllm(Weights("org/b")))
    spec = RunSpec.resolve(Pipeline([BlindAnswers(engines[0], engines[1:])]), "/tmp/dataset")
    stage = settled(dataclasses.replace(spec, gpus=(1.0,)), 0).steps[0].stage
    assert (stage.engine.gpus, stage.others[0].gpus) == (0.5, 0.5)


def test_a_model_that_a_worker_holds_beside_its_engine_gets_memory_and_its_share_is_not_the_engine_s():
    again = CaptionObjects(resources=Resources(gpus="auto", gpu_gib=3.0))
    later = dataclasses.replace(WRITER, longest_side_px=672)
    segments = Pipeline([WRITER, again, later]).segments()
    have = Cluster((Node(16, 1, gpu_memory_bytes=40 * GIB),))
    assert [needs.gpus for needs in needs_on(segments, have)] == [1]
    assert beside_engines(segments, have) == [0.1]
    assert beside_engines(segments, Cluster((Node(16, 1),))) == [0]

    local = dataclasses.replace(again, detector=OpenObjects(Weights("org/model"), None))
    spec = RunSpec.resolve(Pipeline([WRITER, local, later]), "/tmp/dataset")
    writer, model, _ = (step.stage for step in settled(dataclasses.replace(spec, gpus=(1.0,), beside=(0.1,)), 0).steps)
    assert (writer.engine.gpus, model.resources.gpus) == (0.9, 1.0)


def test_beside_servers_a_model_takes_the_share_that_it_needs_and_no_whole_gpu():
    asking = dataclasses.replace(WRITER, engine=OpenAIServer("http://a:8000/v1", "org/model"))
    again = CaptionObjects(resources=Resources(gpus="auto", gpu_gib=3.0))
    assert gpus(Node(16, 1, gpu_memory_bytes=40 * GIB), asking, again, asking) == [0.1]


def test_how_a_gpu_is_shared_is_said():
    have = Cluster((Node(16, 1, gpu_memory_bytes=40 * GIB),))
    segments = Pipeline([Clip(), WRITER]).segments()
    assert split_sentence(segments, needs_on(segments, have), have) == (
        "1 GPU, shared: a worker of clip 0.10 (4.0 GiB); dense_caption 0.90 (36.0 GiB)"
    )
    many = Cluster((Node(64, 8),))
    assert split_sentence(segments, needs_on(segments, many), many) is None
