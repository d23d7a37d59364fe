#!/bin/sh
# Train the model `seed`: sh recipes/seed/train.sh DATA_FOLDER RUNS_FOLDER. Run again to go on.
set -eu
data=$1 runs=$2 here=$(dirname "$0")
all="--train $data/voxforge/train_cuts.jsonl@0.85
  --train $data/extra/dub_cuts.jsonl --train $data/extra/tuxpaint_cuts.jsonl
  --train $data/extra/elena.jsonl@0.4 --train $data/synthetic/train.jsonl@0.1 --dev $data/voxforge/dev.jsonl"
govor train --config "$here/stage1.toml" $all --output "$runs/seed1" --resume
govor train --config "$here/stage2.toml" $all --output "$runs/seed2" --init "$runs/seed1/best.safetensors" --resume
# The recombined sentences are those of recipes/small/train.sh.
govor train --config "$here/stage3.toml" $all --train "$data/recombined/train.jsonl@0.06" \
  --output "$runs/seed3" --init "$runs/seed2/best.safetensors" --resume

# With less disguise, of which so few weights can learn little.
govor train --config "$here/stage4.toml" --train "$data/voxforge/train_cuts.jsonl" \
  --train "$data/extra/dub_cuts.jsonl" --train "$data/extra/tuxpaint_cuts.jsonl" \
  --train "$data/extra/elena.jsonl@0.4" --train "$data/synthetic/train.jsonl@0.05" \
  --train "$data/recombined3/train.jsonl@0.03" --train "$data/recombined4/train.jsonl@0.03" \
  --dev "$data/voxforge/dev.jsonl" --output "$runs/seed4" --init "$runs/seed3/best.safetensors" --resume

# Sentences of any words (recipes/small/train.sh, docs/decisions/0045) and Muon.
govor train --config "$here/stage5.toml" --train "$data/voxforge/train_cuts.jsonl@0.85" \
  --train "$data/extra/dub_cuts.jsonl" --train "$data/extra/tuxpaint_cuts.jsonl" \
  --train "$data/extra/elena.jsonl@0.4" --train "$data/synthetic/train.jsonl@0.05" \
  --train "$data/recombined6/train.jsonl@0.05" \
  --dev "$data/voxforge/dev.jsonl" --output "$runs/seed5" --init "$runs/seed4/best.safetensors" --resume
