import json

import numpy as np
import pyarrow as pa
import pytest

from curate.errors import ContractError, PlanError
from curate.experts.aesthetic import Aesthetic
from curate.experts.embedding_head import Head, read_layers, run_layers
from curate.experts.image_classifier import Classifier
from curate.experts.nsfw import Nsfw
from curate.experts.watermark import Watermark
from curate.models.needed import needed_of
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.run.local import measure
from curate.stages import Batch, stage_id
from tests.support.images import encode, image

RNG = np.random.default_rng(0)
LAION_AESTHETIC = (("layers.0", 1024, 768), ("layers.2", 128, 1024), ("layers.4", 64, 128), ("layers.6", 16, 64))
LAION_NSFW = (
    ("layers.0", 1024, 1024),
    ("layers.3", 2048, 1024),
    ("layers.6", 1024, 2048),
    ("layers.9", 256, 1024),
    ("layers.12", 128, 256),
    ("layers.15", 16, 128),
    ("layers.16", 1, 16),
)


def tensors(layers):
    state = {}
    for name, outputs, inputs in layers:
        state[f"{name}.weight"] = RNG.normal(0, inputs**-0.5, (outputs, inputs)).astype(np.float32)
        state[f"{name}.bias"] = RNG.normal(0, 0.1, outputs).astype(np.float32)
    return state


def vectors(rows, size):
    return pa.table({"clip_embedding": pa.array(RNG.normal(size=(rows, size)).astype(np.float16).tolist())})


def score(stage, table, images=()):
    return stage.load()(Batch(table, [b""] * table.num_rows, images)).columns[stage.adds.names[0]]


@pytest.mark.models
@pytest.mark.parametrize(
    ("layers", "activation"), [((*LAION_AESTHETIC, ("layers.7", 1, 16)), "none"), (LAION_NSFW, "relu")]
)
def test_a_head_of_laion_s_layout_gives_what_torch_gives(tmp_path, layers, activation):
    torch = pytest.importorskip("torch")
    state = tensors(layers)
    modules = {}
    for (name, outputs, inputs), (after, *_) in zip(layers, (*layers[1:], ("layers.0",)), strict=True):
        number, following = int(name.rpartition(".")[2]), int(after.rpartition(".")[2])
        modules[number] = torch.nn.Linear(inputs, outputs)
        if activation == "relu" and following > number + 1:
            modules[number + 1] = torch.nn.ReLU()
    network = torch.nn.Sequential(*(modules.get(i, torch.nn.Dropout(0.2)) for i in range(max(modules) + 1))).eval()
    network.load_state_dict({name.removeprefix("layers."): torch.from_numpy(each) for name, each in state.items()})
    torch.save({name: torch.from_numpy(each) for name, each in state.items()}, tmp_path / "head.pth")
    table = vectors(5, layers[0][2])
    unit = torch.nn.functional.normalize(torch.tensor(table["clip_embedding"].to_pylist()), dim=-1)
    with torch.inference_mode():
        theirs = network(unit).squeeze(1).numpy()
    ours = score(Nsfw(Head(Weights(str(tmp_path / "head.pth")), activation)), table)
    assert np.abs(np.array(ours) - theirs).max() < 1e-4


def test_every_kind_of_file_gives_the_same_score_and_null_stays_null(tmp_path):
    state = {"weight": RNG.normal(size=(3, 8)).astype(np.float32), "bias": np.zeros(3, np.float32)}
    np.savez(tmp_path / "head.npz", **state)
    pytest.importorskip("safetensors.numpy").save_file(state, tmp_path / "head.safetensors")
    table = pa.table({"clip_embedding": pa.array([[1.0] * 8, None, [0.0] * 8], pa.list_(pa.float16()))})
    found = [
        score(Aesthetic(Head(Weights(str(tmp_path / name)), output="softmax", index=2)), table)
        for name in ("head.npz", "head.safetensors")
    ]
    assert found[0] == found[1]
    assert found[0][1] is None
    assert found[0][2] == pytest.approx(1 / 3)


def test_a_relu_stands_only_where_the_numbers_leave_room():
    state = {"0.weight": -np.eye(2), "0.bias": np.zeros(2), "2.weight": np.eye(2), "3.weight": -np.eye(2)}
    assert [layer.relu for layer in read_layers(state, "relu")] == [True, False, False]
    assert run_layers(read_layers(state, "none"), np.array([[3, 4]], np.float32)).tolist() == [
        [pytest.approx(0.6), pytest.approx(0.8)]
    ]
    assert not run_layers(read_layers(state, "relu"), np.array([[3, 4]], np.float32)).any()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"0.weight": np.zeros((2, 3)), "1.running_mean": np.zeros(2)}, "1.running_mean is no weight"),
        ({"0.weight": np.zeros((2, 3)), "2.weight": np.zeros((1, 5))}, "2 outputs is followed by one of 5 inputs"),
        ({"a.0.weight": np.zeros((2, 3)), "b.0.weight": np.zeros((2, 3))}, "both layer 0"),
        ({"0.weight": np.zeros((2, 3, 3, 3))}, "no linear layer"),
        ({}, "no weight"),
    ],
)
def test_what_is_no_chain_of_linear_layers_is_refused(state, words):
    with pytest.raises(PlanError, match=words):
        read_layers(state, "none")


def test_a_bad_head_is_told_before_the_run(tmp_path):
    np.savez(tmp_path / "head.npz", weight=np.zeros((1, 8)))
    head = str(tmp_path / "head.npz")
    Nsfw(Head(Weights(head))).check()
    for stage, words in (
        (Nsfw(Head(Weights(head), index=1)), "has 1 outputs"),
        (Nsfw(Head(Weights(str(tmp_path / "none.npz")))), "weights not found"),
        (Nsfw(Head(Weights("owner/name"))), "is no head"),
        (Watermark(), "neither a folder here nor a model of a hub"),
        (Watermark(Classifier(Weights("watermarks"))), "neither a folder here nor a model of a hub"),
        (Watermark(Classifier(Weights(str(tmp_path)))), "no config.json"),
    ):
        with pytest.raises(PlanError, match=words):
            stage.check()
    with pytest.raises(ContractError, match="wants embeddings of 8 numbers, clip_embedding has 4"):
        score(Nsfw(Head(Weights(head))), vectors(1, 4))
    (tmp_path / "bad.npz").write_bytes(b"no zip")
    with pytest.raises(PlanError, match="cannot be loaded"):
        Nsfw(Head(Weights(str(tmp_path / "bad.npz")))).check()


@pytest.mark.models
def test_a_state_dict_that_would_run_code_is_not_read(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"weight": print}, tmp_path / "head.pth")
    with pytest.raises(PlanError, match="cannot be loaded"):
        Nsfw(Head(Weights(str(tmp_path / "head.pth")))).check()


def test_defaults_name_permissive_models_that_are_pinned():
    for stage in (Nsfw(), Aesthetic()):
        (needed,) = needed_of(stage)
        assert needed.is_permissive()
        stage.check()
    assert needed_of(Nsfw())[0].weights.revision
    assert Aesthetic().resources.gpus == 0
    assert stage_id(Nsfw()) != stage_id(Nsfw(Classifier(Weights("Falconsai/nsfw_image_detection"), ("normal",))))


@pytest.mark.models
def test_a_classifier_of_true_architecture_scores_the_sum_of_the_named_classes(tmp_path):
    transformers = pytest.importorskip("transformers")
    names = {0: "normal", 1: "nsfw", 2: "drawing"}
    config = transformers.ViTConfig(  # the model of Falconsai/nsfw_image_detection, with fewer and smaller layers
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, id2label=names
    )
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps(
            {"image_processor_type": "ViTImageProcessor", "size": {"height": 224, "width": 224}, "do_resize": True}
        )
    )
    weights, pictures = Weights(str(tmp_path)), [(encode(image(side, 80), "PNG"), None) for side in (60, 90)]
    whole = measure(Pipeline([Nsfw(Classifier(weights, ("Normal", "nsfw", "drawing")))]), pictures)
    part = measure(Pipeline([Watermark(Classifier(weights, ("nsfw",)))]), pictures)
    assert whole["error"].to_pylist() == [None, None]
    assert whole["nsfw_score"].to_pylist() == pytest.approx([1, 1])
    assert all(0 < value < 1 for value in part["watermark_score"].to_pylist())
    with pytest.raises(PlanError, match="no class 'porn'; its classes are normal, nsfw, drawing"):
        Nsfw(Classifier(weights, ("porn",))).load()
