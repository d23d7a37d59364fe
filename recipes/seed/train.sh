#!/bin/sh
# Train the model `seed`: sh recipes/seed/train.sh DATA_FOLDER RUNS_FOLDER. Run again to go on.
set -eu
data=$1 runs=$2 here=$(dirname "$0")
dev="--dev $data/voxforge/dev.jsonl"
extra="--train $data/extra/dub.jsonl --train $data/extra/dub_varied.jsonl@0.5
  --train $data/extra/tuxpaint.jsonl --train $data/extra/tuxpaint_varied.jsonl@0.5
  --train $data/extra/elena.jsonl@0.7 --train $data/extra/elena_varied.jsonl@0.4"

# Real speech alone until letters appear.
govor train --config "$here/stage1.toml" --train "$data/voxforge/train.jsonl" $dev \
  --output "$runs/seed1" --resume
# Everything, at a high learning rate.
govor train --config "$here/stage2.toml" --train "$data/voxforge/train.jsonl" $extra \
  --train "$data/synthetic/train.jsonl@0.4" $dev --output "$runs/seed2" \
  --init "$runs/seed1/last.safetensors" --resume
# The same with half of the synthetic speech in every epoch, down to a small learning rate.
govor train --config "$here/stage3.toml" --train "$data/voxforge/train.jsonl" $extra \
  --train "$data/synthetic/train.jsonl@0.5" $dev --output "$runs/seed3" \
  --init "$runs/seed2/last.safetensors" --resume

# The same network goes on. Real recordings are cut between words, so that it hears
# sentences that nobody said, and words alone. A third of the synthetic speech in every epoch.
govor export "$runs/seed3/best.safetensors" --output "$runs/seed3/seed3.onnx"
for name in voxforge/train extra/dub extra/dub_varied extra/tuxpaint extra/tuxpaint_varied; do
  govor prepare cuts "$data/$name.jsonl" --output "$data/${name}_cuts.jsonl" --model "$runs/seed3/seed3.onnx"
done
govor train --config "$here/stage4.toml" --train "$data/voxforge/train_cuts.jsonl" \
  --train "$data/extra/dub_cuts.jsonl" --train "$data/extra/dub_varied_cuts.jsonl@0.5" \
  --train "$data/extra/tuxpaint_cuts.jsonl" --train "$data/extra/tuxpaint_varied_cuts.jsonl@0.5" \
  --train "$data/extra/elena.jsonl@0.7" --train "$data/extra/elena_varied.jsonl@0.4" \
  --train "$data/synthetic/train.jsonl@0.35" $dev --output "$runs/seed4" \
  --init "$runs/seed3/best.safetensors" --resume
