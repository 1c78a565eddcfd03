"""Laws of `curate show`: everything about one sample, and its bytes."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from curate.errors import PlanError, SampleError
from curate.inspect.show import image_bytes, preview, render, sample_facts
from tests.support.dataset_folder import CAPTIONS, CLIP, FACTS, FILTER, PAIRS, add_cell, facts, make_dataset


@pytest.fixture
def folder(tmp_path):
    return make_dataset(tmp_path)


def uid(folder, row: int, shard: int = 0) -> str:
    return list(folder.images)[6 * shard + row]


def printed(facts, image=None, color=None) -> str:
    console = Console(file=io.StringIO(), width=120, color_system=color, force_terminal=color is not None)
    console.print(render(facts, image))
    return console.file.getvalue()


def test_a_kept_sample_has_all_columns_and_stages(folder):
    found = sample_facts(folder.store, uid(folder, 4))
    assert found["columns"]["clip_score"] == 0.4
    assert found["columns"]["clip_embedding"] == [0.25] * 16
    assert found["columns"]["caption"] == "A dense caption of picture 4."
    assert (found["dropped_by"], found["error"]) == (None, None)
    assert [stage["id"] for stage in found["stages"]] == ["sample-v1", FACTS, CLIP, CAPTIONS, PAIRS]
    assert found["stages"][2] == {"id": CLIP, "measured": True, "attempt": 1, "error": None}


def test_a_failed_sample_says_where_and_why(folder):
    found = sample_facts(folder.store, uid(folder, 1))
    assert found["error"] == "clip: image_truncated"
    assert found["stages"][2]["error"] == "image_truncated: the picture ends early"
    assert found["stages"][3]["measured"] is False


def test_a_dropped_sample_says_by_what(folder):
    assert sample_facts(folder.store, uid(folder, 2))["dropped_by"] == FILTER


def test_the_last_attempt_is_shown(folder):
    add_cell(folder, CLIP, folder.shards[0], ([1], [facts(i, b"") for i in range(6)]), attempt=2)
    found = sample_facts(folder.store, uid(folder, 1))
    assert found["stages"][2] == {"id": CLIP, "measured": True, "attempt": 2, "error": None}
    assert found["columns"]["clip_score"] == 0.1


def test_the_source_says_where_the_bytes_are(folder):
    found = sample_facts(folder.store, uid(folder, 4, shard=1))
    with open(found["source"]["url"], "rb") as tar:  # noqa: PTH123
        tar.seek(found["source"]["image"]["offset"])
        assert tar.read(found["source"]["image"]["size"]) == folder.images[found["uid"]]


def test_a_unique_prefix_is_enough(folder):
    full = uid(folder, 4)
    assert sample_facts(folder.store, full[:12])["uid"] == full


@pytest.mark.parametrize("prefix", ["0" * 32, "nothex", "' OR 1=1 --", "", "%"])
def test_an_unknown_uid_is_one_sentence(folder, prefix):
    with pytest.raises(PlanError, match=r"no sample|not a uid"):
        sample_facts(folder.store, prefix)


def test_an_ambiguous_prefix_names_candidates(tmp_path):
    folder = make_dataset(tmp_path, samples=20)
    first = {name[0] for name in folder.images}
    digit = next(d for d in first if sum(name.startswith(d) for name in folder.images) > 1)
    with pytest.raises(PlanError, match=r"several samples begin with"):
        sample_facts(folder.store, digit)


def test_the_image_is_the_original_bytes(folder):
    assert image_bytes(folder.store, uid(folder, 5, shard=1)) == folder.images[uid(folder, 5, shard=1)]


def test_a_sample_without_a_image_says_so(folder):
    with pytest.raises(SampleError, match="no image"):
        image_bytes(folder.store, uid(folder, 0))


def test_a_source_that_is_gone_costs_only_the_preview(folder):
    Path(folder.shards[0].url).unlink()
    assert preview(folder.store, uid(folder, 4)) is None
    assert sample_facts(folder.store, uid(folder, 4))["columns"]["caption_words"] == 6


def test_a_fresh_process_needs_no_other_import(folder):
    code = (
        "import sys; from curate.inspect import show; from curate.storage.store import Store; "
        "show.sample_facts(Store(sys.argv[1]), sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", code, folder.store.root, uid(folder, 4)], check=True)


def test_untrusted_text_is_shown_without_escapes_or_markup(folder):
    text = printed(sample_facts(folder.store, uid(folder, 4)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "<b>" in text
    assert "A dense caption of picture 4." in text
    assert "16 numbers" in text


def test_the_preview_needs_colour(folder):
    found = sample_facts(folder.store, uid(folder, 4))
    image = image_bytes(folder.store, found["uid"])
    assert "▀" in printed(found, image, "truecolor")
    assert "▀" not in printed(found, image)
    assert "▀" not in printed(found, b"not a picture", "truecolor")
