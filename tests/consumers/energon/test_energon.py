"""The folder of `--to energon`, read by Megatron-Energon's loader without `energon prepare`."""

import io
import shutil
import subprocess
import sys

import pytest
from megatron.energon import TaskEncoder, WorkerConfig, get_savable_loader, get_train_dataset
from megatron.energon.task_encoder.base import stateless
from PIL import Image

TARS = ("--to", "energon", "-p", "samples_per_shard=8")


@pytest.fixture(scope="module")
def folder(export):
    return export(*TARS)


class Plain(TaskEncoder):
    """Keeps batches as lists, so that images of all sizes go together."""

    @stateless
    def batch(self, samples):
        return samples


def loader(folder, rank=0, ranks=1, workers=2, repeat=False):
    config = WorkerConfig(rank=rank, world_size=ranks, num_workers=workers)
    data = get_train_dataset(
        folder,
        worker_config=config,
        batch_size=4,
        batch_drop_last=False,
        shuffle_buffer_size=20,
        max_samples_per_sequence=10,
        repeat=repeat,
        task_encoder=Plain(),
    )
    return get_savable_loader(data)


def keys(batches):
    return [sample.__key__.rpartition("/")[2] for batch in batches for sample in batch]


def test_every_image_and_text_is_ours(folder, samples):
    config = WorkerConfig(rank=0, world_size=1, num_workers=0)
    alone = {"batch_size": None, "shuffle_buffer_size": None, "max_samples_per_sequence": None, "repeat": False}
    data = get_train_dataset(folder, worker_config=config, **alone)
    read = {sample.__key__.rpartition("/")[2]: sample for sample in get_savable_loader(data)}
    assert read.keys() == samples.keys()
    for key, sample in read.items():
        width, height = Image.open(io.BytesIO(samples[key].image)).size
        assert sample.caption == samples[key].row["caption"]
        assert tuple(sample.image.shape) == (3, height, width)


def test_the_tars_are_those_of_the_format_webdataset(export, folder):
    tars = export("--to", "webdataset", "-p", "samples_per_shard=8")
    names = [path.name for path in tars.glob("*.tar")]
    assert names
    assert all((tars / name).read_bytes() == (folder / name).read_bytes() for name in names)


@pytest.mark.parametrize("workers", [0, 2])
def test_two_ranks_and_their_workers_read_every_sample_once_in_another_order(folder, samples, workers):
    parts = [keys(loader(folder, rank, 2, workers)) for rank in range(2)]
    assert all(0 < len(part) < len(samples) for part in parts)
    assert sorted(parts[0] + parts[1]) == sorted(samples)
    assert parts[0] != sorted(parts[0], key=list(samples).index)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_goes_on_in_the_middle(folder, workers):
    first = loader(folder, workers=workers, repeat=True)
    batches = iter(first)
    keys([next(batches) for _ in range(5)])
    state = first.save_state_rank()
    rest = keys([next(batches) for _ in range(30)])
    again = loader(folder, workers=workers, repeat=True)
    again.restore_state_rank(state)
    assert keys([batch for batch, _ in zip(again, range(30), strict=False)]) == rest


def test_the_indices_are_those_of_energon_prepare(folder, tmp_path):
    theirs = tmp_path / "theirs"
    shutil.copytree(folder, theirs)
    for path in [*theirs.glob("*.idx"), *theirs.glob(".nv-meta/.info.json")]:
        path.unlink()
    command = [sys.executable, "-m", "megatron.energon.cli.main", "prepare", str(theirs), "--non-interactive"]
    command += ["--split-ratio", "1,0,0", "--force-overwrite"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    names = [path.name for path in sorted(folder.glob("*.idx"))]
    assert len(names) == len(list(folder.glob("*.tar")))
    for name in [*names, ".nv-meta/.info.json"]:
        assert (theirs / name).read_bytes().split() == (folder / name).read_bytes().split(), name
