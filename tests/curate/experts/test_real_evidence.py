"""Verification and repair with the real nano VLM; one engine for both."""

import random

import numpy as np
import pyarrow as pa
import pytest

from nano.evaluate.caption_metrics import caption_metrics
from nano.evaluate.measuring import add_columns
from nano.evaluate.repair import repair_expert, scene_table, verify_expert
from nano.world.scenes import make_scene
from nano.world.texts import dense_caption, hallucinated
from pipelines.quickstart import vllm

pytestmark = [pytest.mark.slow, pytest.mark.models, pytest.mark.timeout(600)]


def test_invented_objects_are_denied_and_repair_takes_them_out():
    drawn = [make_scene(4_000_000_910_000 + i) for i in range(12)]
    images, scenes = [np.asarray(image) for image, _ in drawn], [scene for _, scene in drawn]
    told = [hallucinated(scene, random.Random(i)) for i, scene in enumerate(scenes)]
    captions = [dense_caption(scene, random.Random(i)) for i, scene in enumerate(told)]
    table = scene_table(scenes).append_column("caption", pa.array(captions))
    table = table.append_column("caption_finish_reason", pa.array(["stop"] * 12))
    engine = vllm("nano/vlm")
    verified = add_columns(verify_expert(engine), table, images)
    for row, scene, lie in zip(verified.to_pylist(), scenes, told, strict=True):
        invented = set(lie.counts()) - set(scene.counts())
        assert set(row["objects_denied"]) | set(row["objects_disputed"]) >= invented
        assert not set(row["objects_denied"]) & set(scene.counts())
    final = add_columns(repair_expert(engine, verified=True), verified, images)
    assert final["repair_outcome"].to_pylist().count("repaired") >= 11
    truth = dict(enumerate(scenes))
    before, after = (
        caption_metrics(dict(enumerate(final[name].to_pylist())), truth) for name in ("caption", "final_caption")
    )
    assert before.hallucination_rate > 0.2
    assert after.hallucination_rate < before.hallucination_rate / 3
    assert after.object_recall >= 0.95
