#!/bin/sh
# Train the shipped model: sh recipes/small/train.sh DATA_FOLDER RUNS_FOLDER. Run again to go on.
set -eu
data=$1 runs=$2 here=$(dirname "$0")
dev="--dev $data/voxforge/dev.jsonl"
extra="--train $data/extra/dub.jsonl --train $data/extra/dub_varied.jsonl@0.5
  --train $data/extra/tuxpaint.jsonl --train $data/extra/tuxpaint_varied.jsonl@0.5
  --train $data/extra/elena.jsonl@0.7 --train $data/extra/elena_varied.jsonl@0.4"

# Real speech alone until letters appear.
govor train --config "$here/stage1.toml" --train "$data/voxforge/train.jsonl" $dev \
  --output "$runs/small1" --resume
# Everything, at a high learning rate.
govor train --config "$here/stage2.toml" --train "$data/voxforge/train.jsonl" $extra \
  --train "$data/synthetic/train.jsonl@0.4" $dev --output "$runs/small2" \
  --init "$runs/small1/last.safetensors" --resume
# The same with half of the synthetic speech in every epoch, down to a small learning rate.
govor train --config "$here/stage3.toml" --train "$data/voxforge/train.jsonl" $extra \
  --train "$data/synthetic/train.jsonl@0.5" $dev --output "$runs/small3" \
  --init "$runs/small2/last.safetensors" --resume

# A wider network that begins with what stage 3 has learnt. Real recordings are cut between words, so that it hears
# sentences that nobody said, and words alone. A third of the synthetic speech in every epoch.
govor export "$runs/small3/best.safetensors" --output "$runs/small3/small3.onnx"
for name in voxforge/train extra/dub extra/dub_varied extra/tuxpaint extra/tuxpaint_varied; do
  govor prepare cuts "$data/$name.jsonl" --output "$data/${name}_cuts.jsonl" --model "$runs/small3/small3.onnx"
done
govor train --config "$here/stage4.toml" --train "$data/voxforge/train_cuts.jsonl" \
  --train "$data/extra/dub_cuts.jsonl" --train "$data/extra/dub_varied_cuts.jsonl@0.5" \
  --train "$data/extra/tuxpaint_cuts.jsonl" --train "$data/extra/tuxpaint_varied_cuts.jsonl@0.5" \
  --train "$data/extra/elena.jsonl@0.7" --train "$data/extra/elena_varied.jsonl@0.4" \
  --train "$data/synthetic/train.jsonl@0.35" $dev --output "$runs/small4" \
  --init "$runs/small3/best.safetensors" --resume

# A second output layer for the beam search, trained as CTC-CRF (docs/decisions/0019). Stopped after six of its nine
# epochs, so that stage 6 goes on from a learning rate that is still high.
all="--train $data/voxforge/train_cuts.jsonl
  --train $data/extra/dub_cuts.jsonl --train $data/extra/dub_varied_cuts.jsonl@0.5
  --train $data/extra/tuxpaint_cuts.jsonl --train $data/extra/tuxpaint_varied_cuts.jsonl@0.5
  --train $data/extra/elena.jsonl@0.5 --train $data/extra/elena_varied.jsonl@0.3"
govor train --config "$here/stage5.toml" $all --train "$data/synthetic/train.jsonl@0.3" $dev \
  --output "$runs/small5" --init "$runs/small4/best.safetensors" --resume

# What that network is sure of in recordings without text joins the training.
govor export "$runs/small5/best.safetensors" --output "$runs/small5/small5.onnx"
python "$here/../finish_model.py" "$runs/small5/small5.onnx" --dev "$data/voxforge/dev.jsonl" \
  -o "$runs/small5/tuned.onnx"
govor prepare untranscribed voxforge_ru_unlabelled/feat --model "$runs/small5/tuned.onnx" \
  --output "$data/unlabelled"
govor train --config "$here/stage6.toml" $all --train "$data/synthetic/train.jsonl@0.25" \
  --train "$data/unlabelled/manifest.jsonl" $dev --output "$runs/small6" \
  --init "$runs/small5/last.safetensors" --resume

# Other sentences, put together from the sounds of the real voices (docs/decisions/0029).
govor prepare recombined "$data/voxforge/train_cuts.jsonl" texts/*.txt.xz --dictionary voxforge-ru.dict --count 29000 \
  --exclude "$data/voxforge/dev.jsonl" --exclude "$data/voxforge/test_unseen_speaker.jsonl" \
  --exclude "$data/voxforge/test_unseen_text.jsonl" --output "$data/recombined"
govor train --config "$here/stage7.toml" $all --train "$data/recombined/train.jsonl@0.6" \
  --train "$data/synthetic/train.jsonl@0.15" --train "$data/unlabelled/manifest.jsonl" $dev --output "$runs/small7" \
  --init "$runs/small6/best.safetensors" --resume

# As many again, and synthetic speech of other sentences.
govor prepare recombined "$data/voxforge/train_cuts.jsonl" texts/*.txt.xz --dictionary voxforge-ru.dict --count 30000 \
  --exclude "$data/voxforge/dev.jsonl" --exclude "$data/voxforge/test_unseen_speaker.jsonl" \
  --exclude "$data/voxforge/test_unseen_text.jsonl" --seed 2 --output "$data/recombined2"
govor train --config "$here/stage8.toml" $all --train "$data/recombined/train.jsonl@0.3" \
  --train "$data/recombined2/train.jsonl@0.45" --train "$data/synthetic/train.jsonl@0.18" \
  --train "$data/unlabelled/manifest.jsonl" $dev --output "$runs/small8" --init "$runs/small7/best.safetensors" --resume

# Three times more, in ever other voices, and noises in which nobody speaks. Two processes on two cores; what is read
# less often are the whole sentences of the corpus, which it knows. Less disguise: it has enough to learn.
recombined=""
for seed in 3 4 5; do
  govor prepare recombined "$data/voxforge/train_cuts.jsonl" texts/*.txt.xz --dictionary voxforge-ru.dict \
    --count 60000 --exclude "$data/voxforge/dev.jsonl" --exclude "$data/voxforge/test_unseen_speaker.jsonl" \
    --exclude "$data/voxforge/test_unseen_text.jsonl" --seed $seed --output "$data/recombined$seed"
  recombined="$recombined --train $data/recombined$seed/train.jsonl@0.12"
done
torchrun --nproc-per-node 2 -m govor train --config "$here/stage9.toml" --train "$data/voxforge/train_cuts.jsonl@0.7" \
  --train "$data/recombined/train.jsonl@0.06" --train "$data/recombined2/train.jsonl@0.08" $recombined \
  --train "$data/extra/dub_cuts.jsonl" --train "$data/extra/dub_varied_cuts.jsonl@0.5" \
  --train "$data/extra/tuxpaint_cuts.jsonl" --train "$data/extra/tuxpaint_varied_cuts.jsonl@0.5" \
  --train "$data/extra/elena.jsonl@0.5" --train "$data/extra/elena_varied.jsonl@0.2" \
  --train "$data/synthetic/train.jsonl@0.09" --train "$data/unlabelled/manifest.jsonl" $dev --output "$runs/small9" \
  --init "$runs/small8/best.safetensors" --resume

# The ends of both stages in one: it hears better than each (docs/decisions/0037). It also hears three times as much in the
# recordings without text as the network of stage 5 did.
mkdir -p "$runs/mean9"
python "$here/../average_weights.py" "$runs/small8/best.safetensors" "$runs/small9/last.safetensors" \
  -o "$runs/mean9/best.safetensors"
python "$here/../average_outputs.py" "$runs/mean9/best.safetensors" "$runs/mean9/averaged.safetensors"
govor export "$runs/mean9/averaged.safetensors" --output "$runs/mean9/mean9.onnx"
python "$here/../finish_model.py" "$runs/mean9/mean9.onnx" --dev "$data/voxforge/dev.jsonl" \
  --more "$data/synthetic/dev.jsonl" -o "$runs/mean9/tuned.onnx"
govor prepare untranscribed voxforge_ru_unlabelled/feat --model "$runs/mean9/tuned.onnx" --min-confidence 0.6 \
  --output "$data/unlabelled10"
torchrun --nproc-per-node 2 -m govor train --config "$here/stage10.toml" --train "$data/voxforge/train_cuts.jsonl@0.7" \
  --train "$data/recombined/train.jsonl@0.06" --train "$data/recombined2/train.jsonl@0.08" $recombined \
  --train "$data/extra/dub_cuts.jsonl" --train "$data/extra/dub_varied_cuts.jsonl@0.5" \
  --train "$data/extra/tuxpaint_cuts.jsonl" --train "$data/extra/tuxpaint_varied_cuts.jsonl@0.5" \
  --train "$data/extra/elena.jsonl@0.5" --train "$data/extra/elena_varied.jsonl@0.2" \
  --train "$data/synthetic/train.jsonl@0.09" --train "$data/unlabelled10/manifest.jsonl" $dev \
  --output "$runs/small10" --init "$runs/mean9/best.safetensors" --resume
# And once more (docs/decisions/0044).
mkdir -p "$runs/mean10"
python "$here/../average_weights.py" "$runs/mean9/best.safetensors" "$runs/small10/best.safetensors" \
  -o "$runs/mean10/best.safetensors"

# Sentences of any words in the real voices, fewer of the corpus' own, and Muon (docs/decisions/0045).
anyhow=""
for seed in 6 7; do
  govor prepare recombined "$data/voxforge/train_cuts.jsonl" texts/*.txt.xz --dictionary voxforge-ru.dict --any-words \
    --count 90000 --exclude "$data/voxforge/dev.jsonl" --exclude "$data/voxforge/test_unseen_speaker.jsonl" \
    --exclude "$data/voxforge/test_unseen_text.jsonl" --seed $seed --output "$data/recombined$seed"
  anyhow="$anyhow --train $data/recombined$seed/train.jsonl@0.08"
done
govor train --config "$here/stage11.toml" --train "$data/voxforge/train_cuts.jsonl@0.25" $anyhow \
  --train "$data/extra/dub_cuts.jsonl@0.7" --train "$data/extra/dub_varied_cuts.jsonl@0.4" \
  --train "$data/extra/tuxpaint_cuts.jsonl@0.7" --train "$data/extra/tuxpaint_varied_cuts.jsonl@0.4" \
  --train "$data/extra/elena.jsonl@0.2" --train "$data/extra/elena_varied.jsonl@0.1" \
  --train "$data/synthetic/train.jsonl@0.06" --train "$data/unlabelled10/manifest.jsonl@0.7" $dev \
  --output "$runs/small11" --init "$runs/mean10/best.safetensors" --resume
mkdir -p "$runs/small"
python "$here/../average_weights.py" "$runs/mean10/best.safetensors" "$runs/small11/last.safetensors" \
  -o "$runs/small/best.safetensors"
