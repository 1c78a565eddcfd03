import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageDraw, ImageFont

from curate.errors import PlanError
from curate.experts.ocr import Ocr, columns, covered_frac
from curate.experts.ocr_models import bundled, resolve
from curate.experts.ocr_reader import reading_device
from curate.models.weights import Weights
from curate.pixels import decode
from curate.stages import Batch
from nano.world.scenes import make_scene
from tests.support.images import encode


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """An empty cache of its own for every expert of this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CURATE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def read(cache):
    score = Ocr().load()

    def read(*images):
        payloads = [encode(image, "JPEG", quality=92) for image in images]
        table = pa.table({"uid": [str(i) for i in range(len(images))]})
        return score(Batch(table, payloads, [decode(payload, Ocr().pixels) for payload in payloads])).columns

    return read


def signs(count, seed=4_400_000_000_000):
    drawn = (make_scene(seed + i) for i in range(10 * count))
    return [(image, scene) for image, scene in drawn if scene.sign][:count]


@pytest.mark.models
def test_signs_are_read_exactly_and_where_they_are(read):
    drawn = signs(40)
    found = read(*[image for image, _ in drawn])
    texts = [text.replace("\n", " ") for text in found["ocr_text"]]
    wanted = [scene.sign.text for _, scene in drawn]
    assert np.mean([a == b for a, b in zip(texts, wanted, strict=True)]) >= 0.95
    for lines, (_, scene), text in zip(found["ocr_lines"], drawn, texts, strict=True):
        if text != scene.sign.text:
            continue
        sign = np.divide(scene.sign.box, (scene.width, scene.height) * 2)
        boxes = np.array([line["box"] for line in lines])
        assert (boxes[:, :2] >= sign[:2] - 0.04).all()
        assert (boxes[:, 2:] <= sign[2:] + 0.04).all()


@pytest.mark.models
def test_a_plain_image_has_no_text_and_that_is_a_measurement(read):
    found = read(Image.new("RGB", (300, 260), "teal"), Image.new("RGB", (1, 1)), Image.new("RGB", (900, 12)))
    assert found == columns([[], [], []]).columns
    assert found["ocr_text"] == ["", "", ""]
    assert found["ocr_text_area_frac"] == [0.0, 0.0, 0.0]
    assert found["ocr_score_mean"] == [None, None, None]


@pytest.mark.models
def test_model_folders_are_written_once_and_whole(cache):
    first = resolve(bundled("rec"), "rec")
    again = resolve(bundled("rec"), "rec")
    assert first == again
    assert first.name == "PP-OCRv6_small_rec"
    folder = Weights(first.folder).path()
    assert sorted(path.name for path in folder.iterdir()) == ["inference.onnx", "inference.yml"]
    assert not list(folder.parent.glob("*.part"))
    assert resolve(Weights(str(folder)), "rec").name == first.name  # a user's own PaddleX folder


def test_the_digest_of_the_weights_is_in_the_identity():
    assert "PP-OCRv6_det_small.onnx" in repr(Ocr())
    assert repr(Ocr()).count("blake2b=") == 2


def test_overlapping_boxes_count_once():
    half, quarter = [0.0, 0.0, 0.5, 1.0], [0.25, 0.0, 0.75, 1.0]
    assert covered_frac(np.array([half, quarter, half])) == pytest.approx(0.75)
    assert covered_frac(np.array([[0.0, 0.0, 1.0, 1.0], half])) == pytest.approx(1.0)
    assert covered_frac(np.array([[0.1, 0.1, 0.1, 0.9]])) == 0.0
    assert covered_frac(np.zeros((0, 4))) == 0.0


def test_union_agrees_with_a_fine_grid():
    corners = np.random.default_rng(0).integers(0, 101, (12, 2, 2)) / 100
    boxes = np.concatenate([corners.min(1), corners.max(1)], axis=1)
    grid = np.zeros((100, 100), bool)
    for x0, y0, x1, y1 in np.round(boxes * 100).astype(int):
        grid[y0:y1, x0:x1] = True
    assert covered_frac(boxes) == pytest.approx(grid.mean())


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Ocr(min_score=2), "min_score=2"),
        (lambda: Ocr(side_px=100), "side_px=100"),
        (lambda: Ocr(engine="tesseract"), "tesseract"),
        (lambda: dataclasses.replace(Ocr(), detector=Weights("/nowhere")).check(), "/nowhere"),
        (lambda: resolve(Weights("pyproject.toml"), "det"), "pyproject.toml"),
        (lambda: resolve(Weights("nano/clip"), "det"), "inference.yml"),
    ],
)
def test_what_cannot_work_is_named_before_any_work(make, named):
    with pytest.raises(PlanError) as error:
        make()
    assert named in str(error.value)


@pytest.mark.models
def test_a_gpu_that_ocr_cannot_use_is_told_and_auto_reads_on_cpus(cache):
    pytest.importorskip("onnxruntime")
    detector = resolve(bundled("det"), "det")
    assert [reading_device("onnxruntime", gpus, detector) for gpus in (0, "auto")] == ["cpu", "cpu"]
    with pytest.raises(PlanError, match=r"given 0.5 of a GPU, but this onnxruntime computes on CPUs only"):
        reading_device("onnxruntime", 0.5, detector)


@pytest.mark.models
def test_a_broken_weight_file_is_one_sentence(tmp_path, cache):
    weights = tmp_path / "PP-OCRv6_det_small.onnx"
    weights.write_bytes(b"not a model")
    with pytest.raises(PlanError, match="cannot be loaded") as error:
        Ocr(detector=Weights(str(weights))).load()
    assert "\n" not in str(error.value)


def small_page(lines=8, px=14, size=(1800, 2400)):
    """A page of small letters, and the words in it."""
    page = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(px)
    words = [f"{colour} {thing}" for colour in ("green", "small") for thing in ("house", "garden", "window", "river")]
    for i in range(lines):
        pen.text((150 + 120 * (i % 2), 200 + 250 * i), words[i], font=font, fill="black")
    return page, words[:lines]


@pytest.mark.models
def test_small_text_on_a_large_page_is_read_from_close_by_once_and_in_order(read):
    page, words = small_page()
    found = read(page)
    assert found["ocr_text"] == ["\n".join(words)]
    tops = [line["box"][1] for line in found["ocr_lines"][0]]
    assert tops == sorted(tops)
    assert tops[0] == pytest.approx(200 / 2400, abs=0.01)


@pytest.mark.models
def test_an_image_that_is_no_larger_than_the_first_look_is_read_as_with_one_look(cache):
    image = signs(1)[0][0]
    payload = encode(image, "JPEG", quality=92)
    batch = Batch(pa.table({"uid": ["u"]}), [payload], [decode(payload, 736)])
    assert Ocr().load()(batch).columns == Ocr(closer=None).load()(batch).columns
