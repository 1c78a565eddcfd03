"""Fit what judges pairs of near-duplicates: decision trees over what two pictures share.

    python -m benchmarks.near_fit FOLDER... [--most 700] [--to curate/similarity/near_pairs.json]

Each FOLDER holds pictures of one class, named as the folder: photographs, drawings, screens. Half of them by name
are fitted on, with drawn ones and scenes of the emojiworld; `benchmarks.dedup FOLDER... --held-out` then measures the
other half. Copies are planted with changes of any extent, candidates that the index finds are compared, and
scikit-learn boosts trees on which of them come from one picture. It has to be installed: `pip install scikit-learn`.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from curate.similarity.fingerprint_rows import FaceRows, describe_all
from curate.similarity.fingerprints import faces
from curate.similarity.lookup import make_index
from curate.similarity.near_pairs import FITTED, candidates, numbers_of
from curate.similarity.shared_detail import NAMES
from nano.evaluate.drawn_pictures import all_drawn
from nano.evaluate.planted_copies import Planted, distinct, held_out, plant, read_folder

__all__ = ["main"]

COPIES: Final = 4  # of each picture
SHARES: Final = (0.5, 0.3)  # of candidates from two pictures and from one that are compared; they count the more
TREES, LEAVES, RATE = 160, 20, 0.1
DRAWN: Final = 80  # of each kind of drawn picture


@dataclass(frozen=True, slots=True)
class Pairs:
    """Numbers of pairs, whether they come from one picture, and how much each counts."""

    numbers: npt.NDArray[np.float32]
    same: npt.NDArray[np.bool_]
    weight: npt.NDArray[np.float64]


def compare_all(planted: Planted) -> Pairs:
    """Compare a share of the candidates among all fingerprints."""
    data, owners = faces(planted.prints)
    rows = FaceRows(data, planted.aspects[owners], owners.astype(np.uint64), owners)
    pictures, source = rows.pictures(), planted.source[owners]
    index, rng = make_index(describe_all(rows)), np.random.default_rng(0)
    numbers, same = list[npt.NDArray[np.float32]](), list[npt.NDArray[np.bool_]]()
    for first, second, pairs in candidates(pictures, rows.names, index, pictures.take):
        one = source[pairs.query] == source[pairs.row]
        some = np.flatnonzero(rng.random(len(one)) < np.where(one, SHARES[1], SHARES[0]))
        at, found = numbers_of(first.take(some), second.take(some), pairs.take(some))
        numbers.append(found)
        same.append(one[some][at])
    truth = np.concatenate(same)
    return Pairs(np.concatenate(numbers), truth, np.where(truth, 1 / SHARES[1], 1 / SHARES[0]))


def fit(pairs: Pairs) -> dict[str, Any]:
    """Return trees as `curate.similarity.trees` reads them."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=TREES,
        max_leaf_nodes=LEAVES,
        learning_rate=RATE,
        min_samples_leaf=60,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=0,
    )
    model.fit(pairs.numbers, pairs.same, sample_weight=pairs.weight)
    nodes: dict[str, list[Any]] = {name: [] for name in ("feature", "threshold", "left", "right", "value", "roots")}
    for (tree,) in model._predictors:
        _add_tree(nodes, tree.nodes)
    return {"names": list(NAMES), "bias": float(model._baseline_prediction.item()), **nodes}


def _add_tree(nodes: dict[str, list[Any]], tree: npt.NDArray[Any]) -> None:
    first, leaf = len(nodes["feature"]), tree["is_leaf"].astype(bool)
    nodes["roots"].append(first)
    nodes["feature"] += np.where(leaf, -1, tree["feature_idx"].astype(int)).tolist()
    nodes["threshold"] += [float(f"{each:.9g}") for each in np.where(leaf, 0, tree["num_threshold"])]
    nodes["left"] += np.where(leaf, 0, tree["left"].astype(int) + first).tolist()
    nodes["right"] += np.where(leaf, 0, tree["right"].astype(int) + first).tolist()
    nodes["value"] += [float(f"{each:.5g}") for each in np.where(leaf, tree["value"], 0)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, and write the trees."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--most", type=int, default=700, help="pictures of a folder")
    parser.add_argument("--to", type=Path, default=FITTED)
    asked = parser.parse_args(arguments)
    pictures = [picture for folder in asked.folders for picture in read_folder(folder, asked.most)]
    pictures = distinct([each for each in [*pictures, *all_drawn(DRAWN)] if not held_out(each.name)])
    planted = plant(pictures, COPIES)
    print(f"{len(planted.source)} images of {len(pictures)} pictures", flush=True)
    pairs = compare_all(planted)
    print(f"{len(pairs.same)} pairs, {int(pairs.same.sum())} of them of one picture", flush=True)
    asked.to.write_text(json.dumps(fit(pairs)) + "\n")


if __name__ == "__main__":
    main()
