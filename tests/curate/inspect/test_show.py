"""Laws of `curate show`: everything about one sample, and its bytes."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from curate.errors import PlanError, SampleError
from curate.inspect.query import query
from curate.inspect.show import image_bytes, preview, render, sample_facts
from curate.stages import SAMPLE_STAGE, Expert, stage_id
from curate.storage.store import Store
from tests.support.dataset_folder import FILTER, FakeClip, caption, make_dataset, pipeline, run, write_source

EXPERTS = [stage_id(stage) for stage in pipeline().stages if isinstance(stage, Expert)]
CLIP = stage_id(FakeClip())


def printed(facts, image=None, color=None) -> str:
    console = Console(file=io.StringIO(), width=120, color_system=color, force_terminal=color is not None)
    console.print(render(facts, image))
    return console.file.getvalue()


def test_a_kept_sample_has_all_columns_and_stages(folder):
    facts = sample_facts(folder.store, folder.uid(4))
    assert facts["columns"]["clip_score"] == 0.4
    assert facts["columns"]["clip_embedding"] == pytest.approx([0.4] * 16, rel=1e-3)
    assert facts["columns"]["caption"] == caption(4)
    assert (facts["dropped_by"], facts["error"]) == (None, None)
    assert [stage["id"] for stage in facts["stages"]] == [SAMPLE_STAGE, *EXPERTS]
    assert facts["stages"][2] == {"id": CLIP, "measured": True, "attempt": 1, "error": None}


def test_a_failed_sample_says_where_and_why(folder):
    facts = sample_facts(folder.store, folder.uid(1))
    assert facts["error"] == "image_facts: image_truncated"
    assert facts["stages"][1]["error"].startswith("image_truncated: ")
    assert facts["stages"][2]["measured"] is False


def test_a_dropped_sample_says_by_what(folder):
    assert sample_facts(folder.store, folder.uid(2))["dropped_by"] == repr(FILTER)


def test_the_last_attempt_is_shown(tmp_path):
    dataset = str(tmp_path / "dataset")
    write_source(tmp_path / "source" / "00000.tar", 0, 6)
    run(pipeline(clip=FakeClip(fail=(4,))), tmp_path / "source", dataset)
    store = Store(dataset)
    uid = query(store, 'SELECT uid FROM samples WHERE "row" = 4')["uid"][0].as_py()
    before = sample_facts(store, uid)
    run(pipeline(), tmp_path / "source", dataset, retry=frozenset())
    after = sample_facts(store, uid)
    assert before["stages"][2] == {"id": CLIP, "measured": True, "attempt": 1, "error": "bad_text: no score today"}
    assert after["stages"][2] == {"id": CLIP, "measured": True, "attempt": 2, "error": None}
    assert (before["columns"]["clip_score"], after["columns"]["clip_score"]) == (None, 0.4)


def test_the_source_says_where_the_bytes_are(folder):
    facts = sample_facts(folder.store, folder.uid(4, shard=1))
    with open(facts["source"]["url"], "rb") as tar:  # noqa: PTH123
        tar.seek(facts["source"]["image"]["offset"])
        assert tar.read(facts["source"]["image"]["size"]) == folder.images[facts["uid"]]


def test_a_unique_prefix_is_enough(folder):
    full = folder.uid(4)
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
    assert image_bytes(folder.store, folder.uid(5, shard=1)) == folder.images[folder.uid(5, shard=1)]


def test_a_sample_without_an_image_says_so(folder):
    with pytest.raises(SampleError, match="no image"):
        image_bytes(folder.store, folder.uid(0))


def test_a_source_that_is_gone_costs_only_the_preview(own_folder):
    Path(own_folder.shards[0].url).unlink()
    assert preview(own_folder.store, own_folder.uid(4)) is None
    assert sample_facts(own_folder.store, own_folder.uid(4))["columns"]["caption_words"] == 10


def test_a_fresh_process_needs_no_other_import(folder):
    code = (
        "import sys; from curate.inspect import show; from curate.storage.store import Store; "
        "show.sample_facts(Store(sys.argv[1]), sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", code, folder.store.root, folder.uid(4)], check=True)


def test_untrusted_text_is_shown_without_escapes_or_markup(folder):
    text = printed(sample_facts(folder.store, folder.uid(4)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "<b>" in text
    assert caption(4) in text
    assert "16 numbers" in text


def test_the_preview_needs_colour(folder):
    facts = sample_facts(folder.store, folder.uid(4))
    image = image_bytes(folder.store, facts["uid"])
    assert "▀" in printed(facts, image, "truecolor")
    assert "▀" not in printed(facts, image)
    assert "▀" not in printed(facts, b"not an image", "truecolor")
