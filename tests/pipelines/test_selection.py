"""Recipes that select: each rule of its paper at its bound, on measurements that are given."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curate.engines.fake import FakeEngine
from curate.errors import PlanError
from curate.experts.clip import Clip
from curate.experts.curriculum_judge import CurriculumJudge
from curate.experts.image_facts import ImageFacts
from curate.experts.masked_clip import MaskedClip
from curate.experts.text_boxes import TextBoxes
from curate.pipeline import Pipeline
from curate.recipe import build, find_recipe, known_recipes
from curate.run.local import measure
from filters.min_side import MinSide
from filters.not_animated import NotAnimated

GIVEN = (Clip, CurriculumJudge, ImageFacts, MaskedClip, MinSide, NotAnimated, TextBoxes)
"""Stages whose columns the tests bring instead, and the filters on sizes that they do not bring."""

SELECTING = (
    "datacomp_1b", "datacomp_basic", "datacomp_clip", "datacomp_image_based", "laion_2b_en", "sail_curriculum",
    "semdedup", "sldf_pool", "tmars",
)  # fmt: skip
ENGLISH = "A brown dog runs over the wet grass"
GERMAN = "Ein brauner Hund läuft über die nasse Wiese"


def recipe(name, *assignments):
    return build(find_recipe(name), list(assignments))[0]


def kept(pipeline, **columns):
    """Return which samples the pipeline keeps, by their place, with the columns that models would have measured."""
    n = len(next(iter(columns.values())))
    kinds = {"clip_embedding": pa.list_(pa.float16()), "alt_text": pa.string()}
    arrays = {name: pa.array(values, kinds.get(name, pa.float32())) for name, values in columns.items()}
    table = pa.table({"uid": [f"{i:032x}" for i in range(n)], **arrays})
    stages = [stage for stage in pipeline.stages if not isinstance(stage, GIVEN)]
    found = measure(Pipeline(stages), table)
    assert found["error"].null_count == n, found["error"]
    return [i for i, dropped in enumerate(found["dropped_by"].to_pylist()) if dropped is None]


def scorer(pipeline):
    (clip,) = (stage for stage in pipeline.stages if isinstance(stage, Clip))
    return clip.model, clip.weights.where


@pytest.mark.parametrize("name", ["datacomp_clip", "datacomp_image_based", "datacomp_1b", "sldf_pool"])
def test_datacomp_and_what_stands_on_it_score_with_openais_l14(name):
    assert scorer(recipe(name)) == ("ViT-L-14-quickgelu", "openai")


def test_laion_scores_with_openais_b32():
    assert scorer(recipe("laion_2b_en")) == ("ViT-B-32-quickgelu", "openai")


@pytest.mark.parametrize("n", [1, 3, 4, 10, 11, 20])
def test_datacomp_clip_keeps_exactly_the_best_three_tenths(n):
    scores = [((i * 7) % n) / 100 for i in range(n)]
    best = sorted(range(n), key=lambda i: (-scores[i], i))[: int(n * 0.3)]
    assert kept(recipe("datacomp_clip"), clip_score=scores) == sorted(best)


def test_datacomp_clip_puts_equal_scores_in_the_order_of_uids_and_never_keeps_a_null():
    assert kept(recipe("datacomp_clip"), clip_score=[0.3, 0.3, None, 0.3, 0.3, None]) == [0]  # int(4 * 0.3) of four
    assert kept(recipe("datacomp_clip", "fraction=0.5"), clip_score=[0.3, 0.3, None, 0.3, 0.3, None]) == [0, 1]


def laion(text=ENGLISH, score=0.28, size=5_000, *assignments):
    pipeline = recipe("laion_2b_en", *assignments)
    table = {"alt_text": [text], "clip_score": [score]}
    stages = [stage for stage in pipeline.stages if not isinstance(stage, GIVEN)]
    arrays = {"alt_text": pa.array(table["alt_text"], pa.string()), "clip_score": pa.array([score], pa.float32())}
    found = measure(Pipeline(stages), pa.table({**arrays, "image_size_bytes": pa.array([size], pa.int64())}))
    return (found["dropped_by"][0].as_py() or "kept").removeprefix("unmeasured: ").partition("(")[0]


@pytest.mark.parametrize(
    ("sample", "became"),
    [
        ({}, "kept"),
        ({"score": 0.2799}, "MinClipScore"),
        ({"score": None}, "MinClipScore"),
        ({"size": 4_999}, "MinImageBytes"),
        ({"text": "Dog."}, "CaptionCharacters"),
        ({"text": GERMAN}, "LanguageIn"),
        ({"text": None}, "CaptionCharacters"),
    ],
)
def test_laion_2b_en_at_each_of_its_bounds(sample, became):
    assert laion(**sample) == became


def test_laion_2b_en_without_its_own_rules_is_datacomps_replica():
    assert laion("Dogs run", 0.28, 1, "min_characters=1", "min_image_bytes=1") in ("kept", "LanguageIn")
    assert laion(ENGLISH, 0.28, 1, "min_characters=1", "min_image_bytes=1") == "kept"


def test_tmars_ranks_by_the_score_without_the_text_and_not_by_the_other():
    masked = [0.30, 0.10, 0.29, 0.12, 0.11, 0.28, 0.05, 0.06, 0.07, 0.08]
    whole = [0.30, 0.45, 0.29, 0.12, 0.11, 0.28, 0.05, 0.06, 0.07, 0.08]  # row 1 matches by its text alone
    pipeline = recipe("tmars")
    assert kept(pipeline, clip_score=whole, masked_clip_score=masked) == [0, 2, 5]
    assert kept(recipe("datacomp_clip"), clip_score=whole) == [0, 1, 2]
    (boxes,) = (stage for stage in pipeline.stages if isinstance(stage, TextBoxes))
    assert boxes.side_px == 512
    (clip, again) = (stage for stage in pipeline.stages if isinstance(stage, Clip | MaskedClip))
    assert again.clip == clip


@pytest.fixture
def references(tmp_path):
    """References that fall to the first of three centroids, and these: assignments for the recipes."""
    np.save(tmp_path / "references.npy", np.array([[1, 0.1, 0], [0.9, 0, 0.1]], np.float32))
    np.save(tmp_path / "centroids.npy", np.eye(3, dtype=np.float32))
    return [f"references={tmp_path / 'references.npy'}", f"centroids={tmp_path / 'centroids.npy'}"]


LIKE, UNLIKE = [1.0, 0.0, 0.1], [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("text", "embedding", "keeps"),
    [
        (ENGLISH, LIKE, True),
        (ENGLISH, UNLIKE, False),
        (ENGLISH, None, False),
        (GERMAN, LIKE, False),
        ("Winter morning", LIKE, True),  # more than 1 word
        ("Extraordinarily", LIKE, False),
        ("My dog", LIKE, True),  # more than 5 characters
        ("I ran", LIKE, False),
    ],
)
def test_datacomp_image_based_at_each_of_its_bounds(text, embedding, keeps, references):
    pipeline = recipe("datacomp_image_based", *references)
    assert kept(pipeline, alt_text=[text], clip_embedding=[embedding]) == ([0] if keeps else [])


def test_datacomp_image_based_trains_a_hundred_thousand_centroids_unless_they_are_given(references):
    (stage,) = (one for one in recipe("datacomp_image_based").stages if type(one).__name__ == "ReferenceClusters")
    assert (stage.clusters.clusters, stage.centroids) == (100_000, None)
    trained = recipe("datacomp_image_based", references[0], "clusters=2")
    vectors = [LIKE, [0.9, 0.1, 0.0], UNLIKE, [0.1, 1.0, 0.0]]
    assert kept(trained, alt_text=[ENGLISH] * 4, clip_embedding=vectors) == [0, 1]


def test_datacomp_1b_is_the_intersection_and_its_fraction_is_one_of_the_whole_pool(references):
    n = 20
    scores = [1 - i / 100 for i in range(n)]
    texts = [GERMAN if i in (0, 1) else ENGLISH for i in range(n)]
    vectors = [UNLIKE if i in (2, 3) else LIKE for i in range(n)]
    columns = {"alt_text": texts, "clip_embedding": vectors, "clip_score": scores}
    assert kept(recipe("datacomp_1b", *references), **columns) == [4, 5]  # of 0 to 5: none moves up for 0 to 3
    image = kept(recipe("datacomp_image_based", *references), alt_text=texts, clip_embedding=vectors)
    clip = kept(recipe("datacomp_clip"), clip_score=scores)
    assert sorted(set(image) & set(clip)) == [4, 5]


def test_the_image_based_recipes_say_that_references_must_be_given():
    for name in ("datacomp_image_based", "datacomp_1b"):
        (stage,) = (one for one in recipe(name).stages if type(one).__name__ == "ReferenceClusters")
        with pytest.raises(PlanError, match="no reference images are given; give a file of their embeddings"):
            stage.check()


def angle(degrees):
    return [float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))]


def test_semdedup_drops_what_is_nearer_than_epsilon_and_keeps_what_is_farthest_from_the_centroid():
    vectors = [angle(0), angle(2), angle(40), angle(41.5), angle(80)]
    pipeline = recipe("semdedup", "clusters=1", "epsilon=0.01")  # 8.1 degrees
    left = kept(pipeline, clip_embedding=vectors)
    assert {0, 4} <= set(left)  # the ends are farthest from the centroid
    assert len(left) == 3
    assert len(kept(recipe("semdedup", "clusters=1", "epsilon=0.4"), clip_embedding=vectors)) == 2  # 53 degrees
    (clusters,) = (one for one in recipe("semdedup").stages if type(one).__name__ == "Clusters")
    assert clusters.clusters == 50_000


def test_semdedup_keeps_the_best_by_another_key():
    pipeline = recipe("semdedup", "clusters=1", "epsilon=0.01", "key=clip_score", "highest_first=true")
    vectors, scores = [angle(0), angle(2), angle(4)], [0.1, 0.3, 0.2]
    assert kept(pipeline, clip_embedding=vectors, clip_score=scores) == [1]


def test_sldf_pool_keeps_the_four_buckets_of_the_paper_or_those_that_are_named():
    scores = [1 - i / 100 for i in range(20)]
    assert kept(recipe("sldf_pool"), clip_score=scores) == list(range(8))
    assert kept(recipe("sldf_pool", "kept=0,2"), clip_score=scores) == [0, 1, 4, 5]


BUCKETS = {
    "scale": 0.022,
    "irreducible_error": 0.1,
    "bucket": [
        {"name": "top 10 %", "samples": 12_800_000, "utility": -0.2, "half_life": 2.0},
        {"name": "10 to 20 %", "samples": 12_800_000, "utility": -0.17, "half_life": 2.5},
        {"name": "20 to 30 %", "samples": 12_800_000, "utility": -0.155, "half_life": 2.5},
    ],
}


@pytest.mark.parametrize(("samples_seen", "count"), [(10_000_000, 2), (32_000_000, 4), (640_000_000, 6)])
def test_sldf_pool_keeps_more_for_a_larger_budget(samples_seen, count, tmp_path):
    (tmp_path / "buckets.json").write_text(json.dumps(BUCKETS))
    pipeline = recipe("sldf_pool", f"buckets={tmp_path / 'buckets.json'}", f"samples_seen={samples_seen}")
    assert kept(pipeline, clip_score=[1 - i / 100 for i in range(20)]) == list(range(count))


def test_sldf_pool_names_the_bucket_file_that_is_wrong(tmp_path):
    with pytest.raises(PlanError, match=r"none\.json: cannot be read"):
        recipe("sldf_pool", f"buckets={tmp_path / 'none.json'}")
    with pytest.raises(PlanError, match="samples_seen=0"):
        recipe("sldf_pool", "buckets=any.json", "samples_seen=0")


def test_sail_curriculum_cuts_three_tiers_in_the_papers_ratio_whose_means_rise():
    pipeline = recipe("sail_curriculum")
    stages = [stage for stage in pipeline.stages if not isinstance(stage, GIVEN)]
    levels = np.random.default_rng(0).permutation(np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], 73)).astype(np.float32)
    found = measure(Pipeline(stages), pa.table({"curriculum_score": pa.array(levels)}))
    tiers = np.array(found["curriculum_tier"])
    assert [int((tiers == tier).sum()) for tier in (1, 2, 3)] == [210, 120, 35]  # 21 : 12 : 3.5 of 365
    means = [float(levels[tiers == tier].mean()) for tier in (1, 2, 3)]
    assert means == sorted(means)
    assert found["dropped_by"].null_count == 365


def test_sail_curriculum_judges_the_text_that_it_is_told_to():
    (judge,) = (
        one for one in recipe("sail_curriculum", "text=image_member").stages if isinstance(one, CurriculumJudge)
    )
    assert judge.needs == ("image_member",)
    assert CurriculumJudge(FakeEngine(lambda request: "", "x")).needs == ("alt_text",)


def test_the_page_about_recipes_has_a_row_for_each_with_the_paper_of_its_docstring():
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    assert sorted(rows) == sorted(known_recipes())
    for name, row in rows.items():
        papers = set(re.findall(r"\d{4}\.\d{5}", find_recipe(name).__doc__ or ""))
        assert set(re.findall(r"\d{4}\.\d{5}", row)) & papers or name == "quickstart", row


@pytest.mark.parametrize("name", SELECTING)
def test_the_readme_names_each_recipe_that_selects(name):
    assert f"`{name}`" in (Path(__file__).parents[2] / "README.md").read_text()
