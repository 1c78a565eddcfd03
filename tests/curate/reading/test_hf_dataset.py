"""Laws of `to_hf`: datasets reads our samples with their images, and its own calls split and resume them."""

import datasets
import pytest
from datasets.distributed import split_dataset_by_node
from torch.utils.data import DataLoader

import curate


@pytest.fixture
def samples(folder):
    return curate.open(folder.store.root)


def test_rows_and_images_in_order_with_declared_features(samples):
    dataset = samples.to_hf(["uid", "clip_score"])
    assert list(dataset.features) == ["image", "uid", "clip_score"]
    rows = list(dataset)
    assert [row["uid"] for row in rows] == [sample.uid for sample in samples]
    assert rows[2]["image"].convert("RGB").tobytes() == samples[2].image().tobytes()
    assert [set(row) for row in samples.to_hf(["uid"], images=False)] == [{"uid"}] * len(samples)


def test_nodes_and_workers_lose_nothing_and_repeat_nothing(samples):
    def uids(dataset, workers=0):
        loader = DataLoader(dataset.remove_columns("image"), batch_size=None, num_workers=workers)
        return [row["uid"] for row in loader]

    dataset = samples.to_hf(["uid"])
    nodes = [split_dataset_by_node(dataset, rank, 2) for rank in range(2)]
    everything = sorted(sample.uid for sample in samples)
    assert sorted(uid for node in nodes for uid in uids(node)) == everything
    assert sorted(uids(dataset, workers=2)) == everything


def test_a_state_resumes_in_the_middle(samples):
    dataset = samples.to_hf(["uid"], images=False)
    rows, iterator = list(dataset), iter(dataset)
    assert [next(iterator) for _ in range(3)] == rows[:3]
    other = samples.to_hf(["uid"], images=False)
    other.load_state_dict(dataset.state_dict())
    assert list(other) == rows[3:]
    assert isinstance(other, datasets.IterableDataset)
