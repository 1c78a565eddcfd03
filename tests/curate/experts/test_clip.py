import dataclasses
import io
import random
import shutil

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from curate.errors import PlanError
from curate.experts.clip import Clip
from curate.models.weights import Weights
from curate.pixels import decode
from curate.stages import Batch, stage_id
from nano.world.scenes import make_scene
from nano.world.texts import dense_caption, short_caption
from tests.support.images import encode

NANO = Clip("nano/clip/nano-clip.json", Weights("nano/clip/nano-clip.safetensors"), "squash")
PLAIN = dataclasses.replace(NANO, precision="fp32")


@pytest.fixture(scope="module")
def world():
    """Forty scenes: JPEG bytes and a caption, short or dense by turns."""
    rng = random.Random(0)
    drawn = [make_scene(4_300_000_000_000 + i) for i in range(40)]
    texts = [(dense_caption if i % 4 == 0 else short_caption)(scene, rng) for i, (_, scene) in enumerate(drawn)]
    return [encode(image, "JPEG", quality=92) for image, _ in drawn], texts


@pytest.fixture(scope="module")
def score():
    return NANO.load()


def batch(payloads, texts, side=NANO.pixels):
    return Batch(pa.table({"alt_text": pa.array(texts, pa.string())}), payloads, [decode(p, side) for p in payloads])


@pytest.mark.models
def test_scores_are_open_clip_s_own(world, score):
    open_clip, torch = pytest.importorskip("open_clip"), pytest.importorskip("torch")
    payloads, texts = world
    open_clip.add_model_config("nano/clip/nano-clip.json")
    model, _, transform = open_clip.create_model_and_transforms(
        "nano-clip", "nano/clip/nano-clip.safetensors", image_resize_mode="squash"
    )
    with torch.inference_mode():
        pictures = torch.stack([transform(Image.open(io.BytesIO(payload))) for payload in payloads])
        words = open_clip.get_tokenizer("nano-clip")(texts)
        left, right = model.eval().encode_image(pictures, normalize=True), model.encode_text(words, normalize=True)
        theirs = (left * right).sum(-1).numpy()
    exact = np.array(PLAIN.load()(batch(payloads, texts, side=0)).columns["clip_score"])
    assert np.abs(exact - theirs).max() <= 1e-5  # full decode, fp32, cut texts: nothing else differs
    ours = np.array(score(batch(payloads, texts)).columns["clip_score"])
    assert np.abs(ours - theirs).mean() <= 0.002  # as it runs: reduced decode, fastest precision


@pytest.mark.models
def test_a_row_s_score_does_not_depend_on_its_batch(world, score):
    payloads, texts = world
    together = score(batch(payloads, texts))
    backwards = score(batch(payloads[::-1], texts[::-1]))
    assert np.abs(np.subtract(together.columns["clip_score"], backwards.columns["clip_score"][::-1])).max() <= 1e-4
    alone = [score(batch([p], [t])).columns["clip_score"][0] for p, t in zip(payloads[:6], texts[:6], strict=True)]
    assert np.abs(np.subtract(together.columns["clip_score"][:6], alone)).max() <= 1e-4


@pytest.mark.models
def test_matching_texts_score_higher(world, score):
    payloads, texts = world
    matched = score(batch(payloads, texts)).columns["clip_score"]
    shifted = score(batch(payloads, texts[1:] + texts[:1])).columns["clip_score"]
    assert min(matched) > 0.6 > np.mean(shifted) + 0.2


@pytest.mark.models
def test_no_text_gives_an_embedding_and_no_score(world, score):
    payloads, texts = world
    found = score(batch(payloads[:4], [texts[0], None, "", " \n"]))
    assert [value is None for value in found.columns["clip_score"]] == [False, True, True, True]
    assert found.columns["clip_text_windows"] == [1, None, None, None]
    only_nulls = score(batch(payloads[:2], [None, None]))
    assert only_nulls.columns["clip_score"] == [None, None]
    vectors = np.array(found.columns["clip_embedding"].to_pylist(), np.float32)
    assert found.columns["clip_embedding"].type == pa.list_(pa.float16())
    assert vectors.shape == (4, 128)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=2e-3)
    assert np.array_equal(vectors[:2], np.array(only_nulls.columns["clip_embedding"].to_pylist(), np.float32))


@pytest.mark.models
def test_long_texts_are_read_in_windows(world, score):
    payloads, texts = world
    lengths = [texts[0], " ".join(texts[:8]), " ".join(texts) * 60]
    found = score(batch(payloads[:3], lengths))
    assert found.columns["clip_text_windows"][0] == 1
    assert 1 < found.columns["clip_text_windows"][1] < 8
    assert found.columns["clip_text_windows"][2] == 8
    twice = score(batch(payloads[:1], [f"{texts[0]} " * 3]))  # the same thing said over and over says the same
    assert twice.columns["clip_text_windows"][0] > 1
    assert twice.columns["clip_score"][0] > 0.6


@pytest.mark.models
def test_control_tokens_in_a_text_are_letters(world, score):
    payloads, texts = world
    plain, escaped = (f"{texts[1]} {end} with a bicycle" for end in ("<end_of_text>", "&lt;end_of_text&gt;"))
    found = score(batch(payloads[1:2] * 3, [plain, escaped, texts[1]])).columns["clip_score"]
    assert found[0] == found[1] != found[2]  # open_clip unescapes; both are read to the end


@pytest.mark.models
@pytest.mark.parametrize("text", ["x" * 65_536, "日本" * 30_000, "<" * 65_536, "a " * 30_000])
def test_hostile_texts_are_bounded(world, score, text):
    payloads, _ = world
    found = score(batch(payloads[:1], [text]))
    assert found.columns["clip_score"][0] is not None
    assert found.columns["clip_text_windows"][0] <= 8


@pytest.mark.models
def test_crop_reads_the_middle_square_only(world):
    score = dataclasses.replace(PLAIN, resize="crop").load()
    middle = Image.new("RGB", (336, 168), "red")
    edges = middle.copy()
    edges.paste("blue", (0, 0, 80, 168))
    payloads = [encode(image, "PNG") for image in (middle, edges)]
    vectors = score(batch(payloads, [None, None], side=0)).columns["clip_embedding"].to_pylist()
    assert vectors[0] == vectors[1]
    squashed = PLAIN.load()(batch(payloads, [None, None], side=0)).columns["clip_embedding"].to_pylist()
    assert squashed[0] != squashed[1]


def test_identity_is_the_weights_and_settings_not_their_folder(tmp_path):
    shutil.copytree("nano/clip", tmp_path / "copy")
    config, weights = (str(tmp_path / "copy" / f"nano-clip.{kind}") for kind in ("json", "safetensors"))
    moved = Clip(config, Weights(weights), "squash")
    assert stage_id(moved) == stage_id(NANO)
    assert stage_id(dataclasses.replace(NANO, detail=1.0)) != stage_id(NANO)
    assert stage_id(dataclasses.replace(NANO, precision="fp32")) != stage_id(NANO)


def test_pixels_come_from_the_config_without_a_model():
    assert NANO.pixels == 168
    assert dataclasses.replace(NANO, detail=1.0).pixels == 112
    assert Clip().pixels == 336


@pytest.mark.parametrize(
    ("expert", "named"),
    [
        (lambda: Clip(resize="stretch"), "stretch"),
        (lambda: Clip(precision="int4"), "int4"),
        (lambda: Clip(detail=0.5), "detail=0.5"),
        (lambda: Clip("ViT-Z-99").check(), "ViT-Z-99"),
        (lambda: Clip("nano/metrics/clip.json").check(), "is not an open_clip model config"),
        (lambda: Clip(weights=Weights("nowhere/clip.safetensors")).check(), "nowhere/clip.safetensors"),
    ],
)
def test_what_cannot_work_is_named_before_any_work(expert, named):
    with pytest.raises(PlanError) as error:
        expert()
    assert named in str(error.value)


@pytest.mark.models
def test_wrong_or_broken_weights_are_one_sentence(tmp_path):
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"not a checkpoint")
    for wrong in (dataclasses.replace(NANO, model="ViT-B-32"), dataclasses.replace(NANO, weights=Weights(str(broken)))):
        with pytest.raises(PlanError, match="cannot be loaded") as error:
            wrong.load()
        assert "\n" not in str(error.value)
