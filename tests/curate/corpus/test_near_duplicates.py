import itertools

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from curate.corpus import near_duplicates
from curate.corpus.near_duplicates import NearDuplicates
from curate.corpus.tables import measure_tables
from curate.errors import ContractError, PlanError
from curate.experts.image_fingerprint import fingerprint
from curate.pixels import decode
from curate.stages import Resources
from schemas.image_fingerprint import FINGERPRINT_BYTES
from tests.support.variants import VARIANTS, jpeg, picture


def table(images, **columns):
    prints = [None if image is None else fingerprint(decode(image, 64)) for image in images]
    return pa.table(
        {
            "uid": [f"{(i * 7919 + 3) % 10_007:032x}" for i in range(len(images))],
            "image_fingerprint": pa.array([p and p[0] for p in prints], pa.binary(FINGERPRINT_BYTES)),
            "image_fingerprint_aspect": pa.array([p and p[1] for p in prints], pa.float32()),
            **columns,
        }
    )


DEFAULT = NearDuplicates()


def groups(rows, stage=DEFAULT, cuts=()):
    edges = [0, *cuts, rows.num_rows]
    parts = {f"{i:05d}": rows.slice(a, b - a) for i, (a, b) in enumerate(itertools.pairwise(edges))}
    measured = pa.concat_tables(measure_tables(stage, parts)[name] for name in sorted(parts))
    return dict(zip(measured["uid"].to_pylist(), measured["duplicate_group"].to_pylist(), strict=True))


@pytest.mark.parametrize("kind", VARIANTS)
def test_what_is_done_to_pictures_on_the_web_is_found(kind):
    originals = [picture(seed) for seed in range(12)]
    rows = table([*map(jpeg, originals), *map(VARIANTS[kind], originals)])
    group = list(groups(rows).values())
    assert sum(group[i] == group[12 + i] for i in range(12)) >= 11
    assert len(set(group)) >= 12


def test_other_pictures_are_other_groups():
    rows = table([jpeg(picture(seed)) for seed in range(60)])
    assert len(set(groups(rows).values())) == 60


def test_plain_pictures_are_the_same_only_if_they_look_the_same():
    colours = [(200, 30, 30), (30, 200, 30), (128, 128, 128), (150, 150, 150), (255, 255, 255)]
    plain = [Image.new("RGB", (120, 90), colour) for colour in colours]
    group = list(groups(table([*map(jpeg, plain), *(jpeg(image, 40) for image in plain)])).values())
    assert group[:5] == group[5:]
    assert len(set(group)) == 5


def test_the_cut_into_shards_and_the_order_of_rows_change_nothing():
    images = [VARIANTS[kind](picture(seed)) for seed in range(6) for kind in ("coded again", "mirrored", "crop of 5 %")]
    rows = table(images)
    whole = groups(rows)
    shuffled = rows.take(np.random.default_rng(1).permutation(rows.num_rows))
    small = NearDuplicates(resources=Resources(memory_gib=4 * near_duplicates.BYTES_PER_ROW / (1 << 30)))
    assert groups(shuffled, cuts=(5, 11)) == whole
    assert groups(shuffled, small, cuts=(2, 4, 6, 9, 12, 15)) == whole


def test_the_best_of_a_group_is_by_key_then_by_uid():
    images = [jpeg(picture(1)), VARIANTS["coded again"](picture(1)), VARIANTS["half the size"](picture(1))]
    rows = table(images, clip_score=pa.array([0.2, None, 0.3], pa.float32()))
    uids = rows["uid"].to_pylist()
    assert set(groups(rows, NearDuplicates(key="clip_score")).values()) == {uids[2]}
    assert set(groups(rows, NearDuplicates(key="clip_score", highest_first=False)).values()) == {uids[0]}
    assert set(groups(rows).values()) == {min(uids)}


def test_no_samples_one_sample_and_nulls_are_alone():
    assert groups(table([])) == {}
    rows = table([jpeg(picture(1)), None, None])
    assert groups(rows) == {uid: uid for uid in rows["uid"].to_pylist()}


def test_equal_images_are_one_group_however_many():
    rows = table([jpeg(picture(3))] * 400)
    assert set(groups(rows).values()) == {min(rows["uid"].to_pylist())}


def test_another_hash_is_one_sentence():
    rows = table([jpeg(picture(1))])
    other = rows.set_column(1, "image_fingerprint", pa.array([b"1234"], pa.binary(4)))
    with pytest.raises(ContractError, match="not 4612 bytes as ImageFingerprint writes it"):
        groups(other)


def test_a_pool_that_does_not_fit_says_how_much_memory_it_needs(monkeypatch):
    monkeypatch.setattr(near_duplicates, "LEAST_BYTES", 0)
    rows = table([jpeg(picture(1))] * 9)
    with pytest.raises(PlanError, match=r"memory_gib="):
        groups(rows, NearDuplicates(resources=Resources(memory_gib=1000 / (1 << 30))))
