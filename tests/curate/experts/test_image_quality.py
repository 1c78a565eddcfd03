import io
import random

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from curate.experts.image_measures import blockiness, chroma, detail_frac, noise_sigma, tone
from curate.experts.image_quality import ImageQuality, jpeg_quality
from curate.experts.tiled_watermark import TiledWatermark, repetition
from curate.pipeline import Pipeline
from curate.pixels import decode
from curate.run.local import measure
from nano.evaluate.plant_quality import FAULTS, stored
from nano.evaluate.quality import EXPERTS, FILTERS
from nano.world.scenes import make_scene
from tests.support.images import encode

RNG = np.random.default_rng(0)
TEXTURE = np.clip(RNG.normal(128, 40, (192, 256)), 0, 255).astype(np.uint8)


def ramp(height=128, width=256):
    return np.broadcast_to(np.linspace(40, 200, width).astype(np.uint8), (height, width)).copy()


def luma(payload):
    return np.asarray(Image.fromarray(decode(payload, 0)).convert("L"))


def test_tones_are_those_of_the_histogram():
    image = np.zeros((10, 100), np.uint8)
    image[:, 50:] = 255
    image[0, :3] = 230
    found = tone(image)
    assert found == {
        "luma_mean": pytest.approx((500 * 255 + 3 * 230) / 1000),
        "luma_low": 0,
        "luma_high": 255,
        "luma_bright_frac": 0.5,
        "luma_glare_frac": 0.003,
    }


def test_grey_and_one_tint_have_no_spread_of_colours_and_grey_no_colour_at_all():
    grey = np.repeat(TEXTURE[:, :, None], 3, axis=2)
    tinted = (grey * (1.0, 0.8, 0.6)).astype(np.uint8)
    colours = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert chroma(grey)["image_colourfulness"] == 0
    assert chroma(grey)["image_chroma_spread"] == 0
    assert chroma(tinted)["image_chroma_spread"] < 1 < chroma(tinted)["image_colourfulness"]
    assert chroma(colours)["image_chroma_spread"] > 50


@pytest.mark.parametrize("sigma", [4.0, 10.0, 20.0])
def test_noise_is_measured_in_levels_on_ramps_and_ignores_texture_elsewhere(sigma):
    image = ramp(256, 256)
    image[:96] = np.where((np.arange(256) // 3) % 2, 30, 220)
    noisy = np.clip(image + RNG.normal(0, sigma, image.shape), 0, 255).astype(np.uint8)
    assert noise_sigma(image) < 0.5
    assert noise_sigma(noisy) == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("times", [2, 3, 4])
@pytest.mark.parametrize("kernel", [Image.Resampling.BICUBIC, Image.Resampling.NEAREST])
def test_detail_of_an_enlarged_texture_ends_where_the_small_one_s_did(times, kernel):
    picture = Image.fromarray(TEXTURE)
    small = picture.resize((256 // times, 192 // times), Image.Resampling.LANCZOS)
    large = small.resize((small.width * times, small.height * times), kernel)
    assert detail_frac(TEXTURE) > 0.85
    assert detail_frac(np.asarray(large)) <= 1.15 / times


def test_no_detail_to_judge_by_is_no_fault():
    assert detail_frac(np.full((200, 200), 90, np.uint8)) == 1
    assert detail_frac(ramp()) == 1
    assert detail_frac(TEXTURE[:8, :8]) == 1


@pytest.mark.parametrize("shift", [0, 3, 7])
def test_blocks_are_found_wherever_the_grid_begins_and_not_without_one(shift):
    picture = Image.fromarray(np.clip(ramp(240, 320) + RNG.normal(0, 6, (240, 320)), 0, 255).astype(np.uint8))
    spoiled = luma(stored(picture.convert("RGB"), 6))[shift:, shift:]
    assert blockiness(np.asarray(picture)) < 1.1
    assert blockiness(spoiled) > 1.6
    assert blockiness(np.full((64, 64), 7, np.uint8)) == 1


@pytest.mark.parametrize("quality", [5, 20, 50, 75, 92, 100])
def test_jpeg_quality_is_the_one_that_the_file_was_stored_with(quality):
    assert jpeg_quality(stored(make_scene(1)[0], quality)) == pytest.approx(quality, abs=1)


def test_other_formats_have_no_jpeg_quality_and_strange_tables_do_no_harm():
    assert jpeg_quality(encode(make_scene(1)[0], "PNG")) is None
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "JPEG", qtables=[[255] * 64])
    assert jpeg_quality(buffer.getvalue()) >= 1
    assert JpegImageFile(io.BytesIO(buffer.getvalue())).quantization


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 2), (17, 17), (33, 40)])
@pytest.mark.parametrize("colour", ["white", "black", "red"])
def test_tiny_and_plain_images_are_measured_too(size, colour):
    payload = encode(Image.new("RGB", size, colour), "PNG")
    table = measure(Pipeline([ImageQuality(), TiledWatermark()]), [(payload, None)])
    assert table["error"].to_pylist() == [None]
    row = table.to_pylist()[0]
    assert all(row[name] is not None for name in ImageQuality().adds.names if name != "jpeg_quality")
    assert row["watermark_tile_score"] == 0
    assert row["watermark_tile_px"] is None


def test_a_faint_pattern_in_tiles_stands_out_at_its_distance_and_stripes_do_not():
    stamp = np.zeros((60, 90))
    stamp[20:40, 10:80] = RNG.random((20, 70)) > 0.6
    tiles = np.tile(stamp, (6, 5))[:320, :400]
    ground = RNG.normal(120, 6, tiles.shape)
    score, (across, down) = repetition(np.clip(ground + 14 * tiles, 0, 255).astype(np.uint8))
    assert score > 0.1
    assert across % 90 == 0
    assert down % 60 == 0
    stripes = 100 + 60 * ((np.arange(400) // 20) % 2)[None, :] + RNG.normal(0, 3, (320, 400))
    assert repetition(np.clip(np.broadcast_to(stripes, (320, 400)), 0, 255).astype(np.uint8))[0] < 0.05
    assert repetition(np.clip(ground, 0, 255).astype(np.uint8))[0] < 0.05


def photograph(seed):
    """Return an image whose energy falls with frequency as that of photographs does."""
    gen = np.random.default_rng(seed)
    across, down = np.fft.fftfreq(320)[None, :], np.fft.fftfreq(240)[:, None]
    fall = np.maximum(np.hypot(across, down), 1 / 320) ** -1.6
    clouds = [np.fft.ifft2(np.fft.fft2(gen.normal(size=(240, 320))) * fall).real for _ in range(4)]
    luma, *tints = (cloud / cloud.std() for cloud in clouds)
    return Image.fromarray(
        np.clip(115 + np.stack([50 * luma + 18 * tint for tint in tints], 2), 0, 255).astype(np.uint8)
    )


@pytest.fixture(scope="module")
def spoiled():
    """What the experts measure on six images spoiled in each way."""
    scenes = [photograph(i) for i in range(6)]
    tables = {}
    for fault in FAULTS:
        rng = random.Random(fault.name)
        made = [fault.make(image, rng) for image in scenes]
        samples = [(each if isinstance(each, bytes) else stored(each), None) for each in made]
        tables[fault.name] = measure(Pipeline(EXPERTS), samples)
    return tables


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.filter], ids=lambda fault: fault.name)
def test_its_filter_finds_most_of_a_fault(spoiled, fault):
    rule = next(rule for rule in FILTERS if type(rule).__name__ == fault.filter)
    kept = rule.keep(spoiled[fault.name])
    assert pc.sum(kept).as_py() <= 2


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rule", FILTERS, ids=lambda rule: type(rule).__name__)
def test_a_filter_keeps_most_good_images(spoiled, rule):
    good = pa.concat_tables([spoiled[name] for name in ("good JPEG", "PNG")])
    assert pc.sum(rule.keep(good)).as_py() >= 10
