"""The tars of `--to webdataset`, read by the training reader of open_clip as its command line sets it up."""

import io
import math
from collections import Counter

import numpy as np
import open_clip
import pytest
from open_clip_train.data import get_wds_dataset
from open_clip_train.params import parse_args
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor

TARS = ("--to", "webdataset", "-p", "samples_per_shard=8")
BATCH = 4


@pytest.fixture(scope="module")
def folder(export):
    return export(*TARS)


def reader(folder, *arguments, world_size=1, rank=0, epoch=0):
    """Return open_clip's loader for the options that a user types; images stay small tensors, texts become tokens."""
    tars = sorted(path.name for path in folder.glob("*.tar"))
    urls = str(folder / f"samples-{{000000..{len(tars) - 1:06d}}}.tar")
    args = parse_args(["--train-data", urls, "--dataset-type", "webdataset", "--batch-size", str(BATCH), *arguments])
    args.world_size, args.rank = world_size, rank
    info = get_wds_dataset(args, small, is_train=True, epoch=epoch, tokenizer=open_clip.get_tokenizer("ViT-B-32"))
    info.set_epoch(epoch)
    return info.dataloader


def small(image):
    return pil_to_tensor(image.resize((16, 16)))


def prints(images, texts):
    """Return a name for each sample of a batch: its pixels and tokens."""
    return [(image.numpy().tobytes(), text.numpy().tobytes()) for image, text in zip(images, texts, strict=True)]


@pytest.fixture(scope="module")
def ours(samples):
    """Return the number of samples of the run that give the same pixels and tokens, by these."""
    tokens = open_clip.get_tokenizer("ViT-B-32")([sample.row["caption"] for sample in samples.values()])
    images = [small(Image.open(io.BytesIO(sample.image)).convert("RGB")) for sample in samples.values()]
    return Counter(prints(images, tokens))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_epoch_has_the_size_of_sizes_json_and_only_our_samples(folder, samples, ours, workers):
    loader = reader(folder, "--workers", str(workers))
    batches = math.ceil(math.ceil(len(samples) / BATCH) / workers) * workers
    assert (loader.num_batches, loader.num_samples) == (batches, batches * BATCH)
    read = [one for images, texts in loader for one in prints(images, texts)]
    assert len(read) == loader.num_samples
    assert set(read) <= set(ours)


def test_one_worker_reads_every_sample_but_those_of_a_last_batch_that_is_not_full(folder, samples, ours):
    read = Counter(one for images, texts in reader(folder, "--workers", "1") for one in prints(images, texts))
    assert set(read) <= set(ours)
    assert (ours - read).total() <= len(samples) % BATCH


def test_ranks_read_different_tars(folder, samples, ours, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    parts = []
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        loader = reader(folder, "--workers", "1", world_size=2, rank=rank)
        parts.append({one for images, texts in loader for one in prints(images, texts)})
    assert parts[0] | parts[1] <= set(ours)
    assert len(parts[0] & parts[1]) <= sum(ours.values()) - len(ours)


def test_a_resampled_epoch_has_the_size_that_was_asked_for(folder, ours):
    loader = reader(folder, "--workers", "2", "--dataset-resampled", "--train-num-samples", "64")
    read = [one for images, texts in loader for one in prints(images, texts)]
    assert (len(read), set(read) <= set(ours)) == (64, True)


def test_epochs_have_orders_of_their_own(folder):
    first, again, second = (
        [one for images, texts in reader(folder, "--workers", "1", epoch=epoch) for one in prints(images, texts)]
        for epoch in (0, 0, 1)
    )
    assert len(first) == len(again)
    assert first != second


def test_evaluation_reads_every_sample_once_in_order(folder, samples, ours):
    urls = sorted(str(path) for path in folder.glob("*.tar"))
    args = parse_args(["--val-data", "::".join(urls), "--batch-size", str(BATCH), "--workers", "1"])
    args.world_size = 1
    info = get_wds_dataset(args, small, is_train=False, tokenizer=open_clip.get_tokenizer("ViT-B-32"))
    read = [one for images, texts in info.dataloader for one in prints(images, texts)]
    assert (len(read), Counter(read)) == (len(samples), ours)
    assert np.unique([len(image) for image, _ in read]).tolist() == [16 * 16 * 3]
