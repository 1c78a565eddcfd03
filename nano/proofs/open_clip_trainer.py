"""Run open_clip's own training, `open_clip_train.main`, with a model that a file describes.

    build/consumers/open_clip/bin/python -m nano.proofs.open_clip_trainer MODEL.json --model MODEL --train-data ...

All words after the file are open_clip's own. Runs in the trainer's own environment: open_clip 3.3 reads tars with
webdataset up to 0.2.86 only (docs/proofs.md).
"""

import sys

import open_clip
from open_clip_train.main import main

if __name__ == "__main__":
    open_clip.add_model_config(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
