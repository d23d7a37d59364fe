#!/bin/sh
# Train the model `seed`: sh recipes/seed/train.sh DATA_FOLDER RUNS_FOLDER. Run again to go on.
set -eu
data=$1 runs=$2 here=$(dirname "$0")
govor train --config "$here/stage1.toml" --train "$data/voxforge/train_cuts.jsonl@0.85" \
  --train "$data/extra/dub_cuts.jsonl" --train "$data/extra/tuxpaint_cuts.jsonl" \
  --train "$data/extra/elena.jsonl@0.4" --train "$data/synthetic/train.jsonl@0.1" \
  --dev "$data/voxforge/dev.jsonl" --output "$runs/seed" --resume
