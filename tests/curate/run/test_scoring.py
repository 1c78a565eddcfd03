"""A batch that fails is halved down to the guilty sample; its neighbours keep their values."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from curate.errors import ContractError, EngineError, SampleError
from curate.experts.image_facts import ImageFacts
from curate.pipeline import Pipeline
from curate.pixels import decode, encode_jpeg, encode_png
from curate.run.local import measure as measure_all
from curate.run.scoring import DecodedImages, score
from curate.stages import Measurement
from tests.support.stages import Brightness, TextLength


def table(texts):
    return pa.table({"uid": [f"u{i}" for i in range(len(texts))], "alt_text": pa.array(texts, pa.string())})


def measure(expert, texts, scorer=None):
    images = DecodedImages([b""] * len(texts))
    return score(expert, scorer or expert.load(), table(texts), range(len(texts)), images)


def test_one_bad_sample_costs_only_itself():
    result = measure(TextLength(crash=("boom",)), ["a", "bb", "boom", "dddd", "eeeee"])

    assert result.columns["text_length"].to_pylist() == [1, 2, None, 4, 5]
    assert [error and error.code for error in result.errors] == [None, None, "expert_failed", None, None]
    assert "RuntimeError: the model fell over" in result.errors[2].message


def test_an_error_entry_nulls_its_row():
    result = measure(TextLength(fail=("no",)), ["a", "no"])

    assert result.columns["text_length"].to_pylist() == [1, None]
    assert result.errors[1].code == "bad_text"


def test_a_nan_is_an_error_not_a_value():
    result = measure(TextLength(), ["a", "b"], lambda batch: Measurement({"text_length": [float("nan"), 1.0]}))

    assert result.columns["text_length"].to_pylist() == [None, 1]
    assert result.errors[0].code == "not_a_number"


def test_a_bad_system_is_not_a_bad_sample():
    def dead(batch):
        raise EngineError("the engine died")

    with pytest.raises(EngineError, match="died"):
        measure(TextLength(), ["a", "b"], dead)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"text_length": [1.0]}, "1 values for 2 rows"),
        ({}, "did not return its column 'text_length'"),
        ({"text_length": [1.0, 2.0], "more": [1, 2]}, "does not declare.*more"),
    ],
)
def test_a_broken_contract_names_the_column(answer, message):
    with pytest.raises(ContractError, match=message):
        measure(TextLength(), ["a", "b"], lambda batch: Measurement(answer))


def test_a_scorer_that_returns_no_measurement_is_named():
    with pytest.raises(ContractError, match="text_length returned a dict, not a Measurement"):
        measure(TextLength(), ["a", "b"], lambda batch: {"text_length": [1.0, 2.0]})


def test_an_undecodable_image_never_reaches_the_scorer():
    good = encode_png(np.full((20, 20, 3), 100, np.uint8))
    images = DecodedImages([good, b"not an image", SampleError("gone", "x"), good])

    result = score(Brightness(), Brightness().load(), table(["a"] * 4), range(4), images)

    assert result.columns["brightness"].to_pylist() == [100, None, None, 100]
    assert [error and error.code for error in result.errors] == [None, "image_undecodable", "gone", None]


def test_an_image_is_decoded_once_for_all_experts_that_get_the_same_pixels():
    images = DecodedImages([encode_jpeg(np.zeros((300, 400, 3), np.uint8), 90)])

    assert images.get([0], 140)[0] is images.get([0], 150)[0]
    assert images.get([0], 150)[0] is not images.get([0], 0)[0]


def test_broken_images_are_nothing_to_forget():
    images = DecodedImages([b"\xff\xd8\xff\xe0 cut", b"no image", None])
    assert [error.code for error in images.get([0, 1, 2], 16)] == [
        "image_truncated",
        "image_undecodable",
        "missing_image",
    ]
    images.release([(16, False)])


def test_what_no_later_expert_asks_for_is_forgotten():
    images = DecodedImages([encode_jpeg(np.zeros((300, 400, 3), np.uint8), 90)])
    small, large = images.get([0], 140)[0], images.get([0], 0)[0]
    images.release([(150, False)])

    assert images.get([0], 150)[0] is small
    assert images.get([0], 0)[0] is not large


@pytest.mark.parametrize("payload", [encode_jpeg, lambda image, quality: encode_png(image)], ids=["jpeg", "png"])
def test_a_value_does_not_depend_on_the_experts_beside_it(payload):
    noise = np.random.default_rng(0).integers(0, 255, (700, 900, 3), np.uint8)
    samples = [(payload(noise, 90), "noise")]
    facts = measure_all(Pipeline([ImageFacts()]), samples).select(ImageFacts.adds.names)

    assert measure_all(Pipeline([Brightness(pixels=0), ImageFacts()]), samples).select(facts.column_names) == facts
    for beside in ([ImageFacts(), Brightness()], [Brightness()]):
        brightness = measure_all(Pipeline(beside), samples)["brightness"].to_pylist()
        assert brightness == [np.float32(decode(samples[0][0], 16).mean())]


def test_latency_comes_back_in_row_order():
    @dataclass(frozen=True)
    class Timed(TextLength):
        pass

    scorer = lambda batch: Measurement({"text_length": [1.0, 2.0]}, seconds=[0.5, None])  # noqa: E731
    assert measure(Timed(), ["a", "b"], scorer).latency_seconds == [0.5, None]
