"""Laws of the torch dataset: no sample lost or twice, the same order again, also from the middle."""

import numpy as np
import pytest
from torch.utils.data import DataLoader

import curate
from curate.errors import PlanError
from curate.reading.order import Order, places


def uids(row):
    return row["uid"]


def read(dataset, workers=0, size=1):
    return [uid for batch in DataLoader(dataset.map(uids), size, num_workers=workers) for uid in batch]


@pytest.fixture
def samples(folder):
    return curate.open(folder.store.root)


def test_without_a_seed_the_order_of_the_run_with_images(samples):
    rows = list(samples.to_torch(["uid", "clip_score"]))
    assert [row["uid"] for row in rows] == [sample.uid for sample in samples]
    assert rows[2]["image"].tobytes() == samples[2].image().tobytes()


def test_ranks_and_workers_share_all_samples_out(samples):
    ranks = [read(samples.to_torch(shuffle=3).for_rank(rank, 2), workers=2) for rank in range(2)]
    assert len(ranks[0]) == len(ranks[1]) == len(samples) // 2
    assert len({uid for rank in ranks for uid in rank}) == len(samples) // 2 * 2


def test_an_epoch_is_the_same_again_and_the_next_one_another(samples):
    dataset = samples.to_torch(shuffle=3)
    orders = []
    for epoch in (0, 1, 0):
        dataset.set_epoch(epoch)
        orders.append(read(dataset))
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


@pytest.mark.parametrize(("workers", "size"), [(0, 1), (0, 2), (2, 1), (2, 2)])
def test_skipped_batches_are_those_that_were_given(samples, workers, size):
    dataset = samples.to_torch(shuffle=5)
    batches = [list(batch) for batch in DataLoader(dataset.map(uids), size, num_workers=workers)]
    for given in range(len(batches) + 1):
        rest = DataLoader(dataset.map(uids).skip(given, size), size, num_workers=workers)
        assert [list(batch) for batch in rest] == batches[given:], given


def test_a_state_resumes_in_the_middle_of_an_epoch(samples):
    dataset = samples.to_torch(shuffle=7)
    dataset.set_epoch(2)
    iterator = iter(dataset.map(uids))
    everything = read(dataset)
    reading = dataset.map(uids)
    iterator = iter(reading)
    begun = [next(iterator) for _ in range(3)]
    other = samples.to_torch(shuffle=7).map(uids)
    other.load_state_dict(reading.state_dict())
    assert begun + list(other) == everything


@pytest.mark.parametrize("seed", [None, 1])
def test_any_piece_of_an_order_is_that_piece_of_the_whole(seed):
    names, counts = [f"part-{i}" for i in range(9)], np.array([3, 1, 4, 1, 5, 9, 2, 6, 5])
    order = Order(seed, parts_at_once=2)
    whole = np.concatenate(list(places(names, counts, order, 0, 36))).tolist()
    assert sorted(whole) == [[part, i] for part in range(9) for i in range(counts[part])]
    for first, last in [(0, 5), (4, 30), (35, 36), (10, 10)]:
        pieces = list(places(names, counts, order, first, last))
        assert (np.concatenate(pieces).tolist() if pieces else []) == whole[first:last]


def test_shares_and_skips_that_cannot_be(samples):
    with pytest.raises(PlanError, match="from 0 to 1"):
        samples.to_torch().for_rank(2, 2)
    with pytest.raises(PlanError, match="give batches from 0"):
        samples.to_torch().skip(-1)
