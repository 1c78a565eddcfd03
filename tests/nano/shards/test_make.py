"""Sample shards: the same bytes for the same arguments, and the bytes are what the truth says."""

import json
import tarfile
from collections import Counter

import pytest

from curate.errors import SampleError
from curate.pixels import decode
from curate.sources import find_shards, scan
from nano.evaluate.defects import tar_name
from nano.evaluate.run import SHARDS, read_truth, scenes, truths
from nano.shards.make import draw_clean, make_samples, scene_seed, write_shards
from nano.shards.planting import PLANTS


def test_equal_arguments_give_equal_bytes(tmp_path):
    for name in ("first", "second"):
        write_shards(tmp_path / name, make_samples(20, 3))
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == ["truth.jsonl", "world-000000.tar"]
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_the_committed_truth_is_what_the_command_writes(tmp_path):
    write_shards(tmp_path, make_samples(300, 7))
    assert (tmp_path / "truth.jsonl").read_text() == (SHARDS / "truth.jsonl").read_text()


def test_the_committed_shards_are_small_and_hold_every_plant():
    assert sum(path.stat().st_size for path in SHARDS.glob("*.tar")) < 8e6
    planted = Counter(truth.planted for truth in truths(read_truth(SHARDS / "truth.jsonl")))
    assert planted.pop(None) >= 100
    assert planted == sum((Counter({plant.name: plant.count}) for plant in PLANTS), Counter())


def test_members_follow_img2dataset_and_carry_no_time_or_owner():
    with tarfile.open(SHARDS / "world-000001.tar") as tar:
        for entry in tar:
            key, _, kind = entry.name.partition(".")
            assert (len(key), key.isdigit(), kind in {"jpg", "png", "gif", "txt", "json"}) == (9, True, True)
            assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname) == (0, 0, 0, "", "")


def test_shards_of_another_seed_show_other_scenes():
    first, second = ({sample.scene.seed for sample in draw_clean(5, scene_seed(seed, 0))} for seed in (7, 8))
    assert not first & second


def test_a_clean_held_out_alt_text_tells_neither_sign_nor_place():
    for sample in draw_clean(40, 9_000):
        text = sample.text.decode()
        assert sample.scene.sign is None or sample.scene.sign.text not in text
        assert " in the " not in text


@pytest.fixture(scope="module")
def error_codes():
    """Map (tar, row) of the committed shards to its first error code, None for a readable image."""
    codes = {}
    for shard in find_shards([str(SHARDS / "*.tar")]):
        for row, sample in enumerate(scan(shard)):
            error = sample.error
            if error is None:
                try:
                    decode(sample.image, 112)
                except SampleError as undecodable:
                    error = undecodable
            codes[tar_name(shard.name), row] = error and error.code
    return codes


def test_every_broken_file_fails_with_the_code_that_the_truth_names_and_nothing_else_fails(error_codes):
    planted = truths(read_truth(SHARDS / "truth.jsonl"))
    assert len(error_codes) == len(planted) == 300
    for truth in planted:
        code = error_codes[truth.place]
        expected = {reason.removeprefix("error:") for reason in truth.expected if reason.startswith("error:")}
        assert code in expected if expected else code is None


def test_every_readable_image_has_a_scene_in_the_truth(error_codes):
    known = scenes(read_truth(SHARDS / "truth.jsonl"))
    assert {place for place, code in error_codes.items() if code is None} <= set(known)
    assert json.dumps(next(iter(known.values())).to_dict())
