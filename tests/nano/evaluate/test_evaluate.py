"""Evaluation reads truth and prints tables."""

from nano.evaluate.run import markdown, read_truth, scenes, truths
from nano.shards.make import make_samples, write_shards


def test_truth_survives_the_file(tmp_path):
    samples = make_samples(150, 5)
    write_shards(tmp_path, samples)
    lines = read_truth(tmp_path / "truth.jsonl")
    assert [truth.planted for truth in truths(lines)] == [sample.planted for sample in samples]
    assert [truth.expected for truth in truths(lines)] == [sample.expected for sample in samples]
    assert list(scenes(lines).values()) == [sample.scene for sample in samples if sample.scene]
    origins = [truth.duplicate_of for truth in truths(lines)]
    at = [None if s.original is None else (f"world-{s.original // 100:06d}.tar", s.original % 100) for s in samples]
    assert origins == at


def test_a_table_has_one_line_per_row_and_a_dash_for_null():
    table = markdown([{"planted": "spam", "expected": ("A", "B"), "precision": None}])
    assert table.splitlines() == ["| planted | expected | precision |", "| --- | --- | --- |", "| spam | A, B | - |"]
