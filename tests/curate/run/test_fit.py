"""What a cluster lacks is one sentence, before any work."""

import dataclasses
import io
import json
import re

import pytest
from rich.console import Console

from curate.engines.fake import FakeEngine
from curate.engines.vllm_engine import Vllm
from curate.errors import PlanError
from curate.experts.clip import Clip
from curate.experts.dense_caption import DenseCaption
from curate.experts.text_facts import TextFacts
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.run.cluster import Cluster, Node
from curate.run.fit import fit, what_lacks
from curate.run.shares import needs_on
from curate.run.spec import RunSpec
from curate.stages import Resources

GIB = 1 << 30


def say(request):
    return request.prompt


def writer(name="fake", **needs):
    return DenseCaption(FakeEngine(say, name, Resources(**needs)))


def lacks(cluster, *stages):
    segments = Pipeline(stages).segments()
    return what_lacks(segments, needs_on(segments, cluster), cluster)


def one(cpus=8.0, gpus=0.0, **more):
    return Cluster((Node(cpus, gpus, **more),))


@pytest.mark.parametrize(
    ("cluster", "stage", "sentence"),
    [
        (one(), writer(gpus=1.0), "1 GPU and 1 CPU .* has no GPU and 8 CPUs: pass -p engine.servers"),
        (one(), Clip(resources=Resources(gpus=0.25)), "clip: .* 0.25 GPU .* no GPU .*pass -p clip.resources.gpus=0"),
        (one(gpus=1.0), writer(gpus=2.0), "asks for 2 GPUs .* has 1 GPU .*: pass -p engine.tensor_parallel_size=1"),
        (Cluster((Node(8, 1), Node(8, 1))), writer(gpus=2.0), "has 2 GPUs and 16 CPUs, at most 1 GPU on one machine"),
        (one(gpus=2.0), writer(gpus=1.5), "gpus=1.5: a worker holds a share of one GPU, or whole ones"),
        (one(2.0), writer(cpus=4.0), "asks for 4 CPUs .* has no GPU and 2 CPUs: ask for fewer CPUs"),
        (one(), writer(custom=(("disk", 1.0),)), "1 of disk, and no machine has it: start Ray there with --resources"),
    ],
)  # fmt: skip
def test_a_worker_that_fits_no_machine_is_one_sentence_with_what_to_pass(cluster, stage, sentence):
    (said,) = lacks(cluster, stage)
    assert re.search(sentence, said), said


def test_workers_that_fit_alone_but_not_together_are_one_sentence():
    clip = Clip(resources=Resources(gpus=0.5))
    (said,) = lacks(one(gpus=1.0), clip, writer(gpus=1.0))
    assert said.startswith(
        "the stages hold 1.5 GPUs at the same time (clip 0.5; dense_caption 1), and the cluster has 1"
    )
    assert "-p clip.resources.gpus=0" in said
    assert not lacks(one(gpus=2.0), clip, writer(gpus=1.0))


def test_auto_fits_whatever_is_there():
    for cluster in (one(), one(gpus=1.0), one(gpus=8.0), Cluster((Node(4), Node(64, 8)))):
        assert not lacks(cluster, TextFacts(), Clip(), writer(gpus="auto"))


def test_shares_of_one_device_do_not_fit_on_two_halves():
    assert lacks(one(gpus=1.0), writer("a", gpus=0.6), writer("b", gpus=0.6))
    assert not lacks(one(gpus=2.0), writer("a", gpus=0.6), writer("b", gpus=0.6))


@pytest.fixture
def model(tmp_path):
    """Return a function that makes a folder with the config of an 8B model and a sparse file for its weights."""
    text = {"num_hidden_layers": 36, "num_key_value_heads": 8, "num_attention_heads": 32, "head_dim": 128}

    def make(gib):
        (tmp_path / "config.json").write_text(json.dumps({"text_config": text, "dtype": "bfloat16"}))
        with (tmp_path / "model.safetensors").open("wb") as file:
            file.truncate(int(gib * GIB))
        return DenseCaption(Vllm(Weights(str(tmp_path)), tensor_parallel_size=1))

    return make


def test_a_gpu_with_too_little_memory_says_how_much_is_missing_and_what_helps(model):
    (said,) = lacks(one(gpus=1.0, gpu_memory_bytes=16 * GIB), model(16))
    assert "weights 16.0" in said
    assert "4.2 GiB are missing" in said
    assert "tensor_parallel_size=2" in said
    assert not lacks(one(gpus=1.0, gpu_memory_bytes=24 * GIB), model(16))


def test_a_share_of_a_gpu_that_is_too_small_says_which_one_would_do(model):
    half = dataclasses.replace(model(16).engine, gpus=0.5)
    (said,) = lacks(one(gpus=1.0, gpu_memory_bytes=24 * GIB), DenseCaption(half))
    assert "raise gpu_memory_utilization to 0.78 or more, and put what shares the GPU on CPUs" in said


def test_a_machine_with_too_little_memory_is_told_too(model):
    (said,) = lacks(one(memory_bytes=8 * GIB), model(16))
    assert "without a GPU it needs 18.0 GiB of the machine's memory" in said
    assert "engine.servers" in said


def run_fit(clusters, wait=False, **needs):
    spec = RunSpec.resolve(Pipeline([writer(**needs)]), "/tmp/dataset")
    console = Console(file=io.StringIO(), width=200)
    spec, _ = fit(spec, console, wait, iter(clusters).__next__)
    return spec, console.file.getvalue()


def test_a_run_stops_before_it_starts_or_waits_and_says_so_when_told():
    with pytest.raises(PlanError, match="asks for 1 GPU"):
        run_fit([one()], gpus=1.0)
    spec, said = run_fit([one(), one(gpus=1.0)], wait=True, gpus=1.0)
    assert spec.gpus == (1.0,)
    assert said.startswith("waiting for nodes: dense_caption: a worker asks for 1 GPU and 1 CPU")
    assert len(said.splitlines()) == 1
