from __future__ import annotations

import wave
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from govor.config import Config, TrainingConfig
from govor.dataset.batches import Dataset, Source, check_text
from govor.features import normalize, save_mfc
from govor.manifest import Utterance
from govor.model import AcousticNetwork, num_output_frames
from govor.training.ctc import ctc_losses
from govor.training.denominator import denominator_of
from tiny_corpus import ALPHABET, AUGMENT, CONFIG, dataset, make, speak
from tiny_recordings import tone


def with_training(**changes: object) -> Config:
    return CONFIG.model_copy(update={"training": TrainingConfig(**{"batch_seconds": 1.0, **changes})})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "frames"), [("а", 1), ("да", 2), ("анна", 5), ("ааа", 5), ("а а", 3), ("", 0)]
)
def test_frames_that_ctc_needs_are_letters_and_a_blank_for_each_repeat(text: str, frames: int) -> None:
    reason, needed = check_text(text, ALPHABET)
    assert needed == frames
    assert reason == ("" if text else "no text")
    if frames:
        # The definition: the loss is finite with as many frames and infinite with one less.
        for given, finite in ((frames, True), (frames - 1, False)):
            if given:
                loss = torch.nn.functional.ctc_loss(
                    torch.zeros(given, 1, 35).log_softmax(2),
                    torch.tensor([ALPHABET.encode(text)]),
                    torch.tensor([given]),
                    torch.tensor([len(text)]),
                )
                assert bool(torch.isfinite(loss)) is finite


@pytest.mark.parametrize(("frames", "kept"), [(10, True), (9, True), (8, False)])
def test_utterance_is_left_out_exactly_when_ctc_cannot_align_it(
    tmp_path: Path, frames: int, kept: bool
) -> None:
    # «анна» needs 5 output frames; the stride is 2.
    save_mfc(tmp_path / "x.mfc", speak("анна")[:frames])
    made = dataset([Utterance("x", 0.1, "анна", features=tmp_path / "x.mfc")])
    assert len(made) == kept
    assert [left.reason for left in made.left] == (
        [] if kept else ["too short for its text: 4 output frames, 5 needed"]
    )


def test_each_unusable_utterance_is_left_out_with_its_reason(tmp_path: Path) -> None:
    good = make(tmp_path)
    np.save(tmp_path / "wide.npy", np.ones((50, 14), np.float32))
    (tmp_path / "cut.mfc").write_bytes(b"\x00\x01")
    (tmp_path / "noise.wav").write_bytes(b"no sound")
    whole = Path(tone(tmp_path / "half.wav", 4.0)).read_bytes()
    (tmp_path / "half.wav").write_bytes(whole[: len(whole) // 2])
    bad = {
        "missing": Utterance("missing", 1.0, "да", features=tmp_path / "none.mfc"),
        "cut": Utterance("cut", 1.0, "да", features=tmp_path / "cut.mfc"),
        "wide": Utterance("wide", 1.0, "да", features=tmp_path / "wide.npy"),
        "text": replace(good[0], id="text", text=""),
        "latin": replace(good[0], id="latin", text="да ok"),
        "audio": Utterance("audio", 1.0, "да", audio_filepath=tmp_path / "noise.wav"),
        "half": Utterance("half", 4.0, "да", audio_filepath=tmp_path / "half.wav"),
    }
    made = dataset([*bad.values(), *good])
    assert [utterance.id for utterance in made.utterances] == [utterance.id for utterance in good]
    reasons = {left.id: left.reason for left in made.left}
    assert reasons.keys() == bad.keys()
    for name, said in {
        "missing": "none.mfc",
        "cut": "cut.mfc",
        "wide": "14 features a frame, the network takes 13",
        "text": "no text",
        "latin": "symbols outside the alphabet: k o",
        "audio": "not audio",
        "half": "truncated",
    }.items():
        assert said in reasons[name]


def test_recordings_and_ready_features_train_together(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        sound = 8000 * np.sin(np.arange(16000) * 0.2)
        file.writeframes(sound.astype("<i2").tobytes())
    made = dataset([Utterance("a", 1.0, "да", audio_filepath=tmp_path / "a.wav"), *make(tmp_path)])
    assert made.left == []
    batch = made.batch([(0,), (1,)])
    assert batch.features.shape[2] == 13
    assert int(batch.feature_lengths[0]) == made.num_frames[0]


def test_batch_is_normalised_and_zero_past_each_end(tmp_path: Path) -> None:
    made = dataset(make(tmp_path))
    batch = made.batch([(0,), (2,)])
    assert batch.texts == ("да", "мама дома")
    assert batch.label_lengths.tolist() == [2, 9]
    assert ALPHABET.decode(batch.labels.tolist()) == "дамама дома"
    assert batch.features.shape[1] % 32 == 0
    for row, length in enumerate(batch.feature_lengths.tolist()):
        np.testing.assert_array_equal(batch.features[row, :length], normalize(made.features((0, 2)[row])))
        assert not batch.features[row, length:].any()


def test_plan_and_batches_depend_on_nothing_but_seed_and_epoch(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"augment": AUGMENT})
    utterances = make(tmp_path, ("да", "нет", "мама дома", "анна") * 6)
    one, two = (dataset(utterances, config, augment=True) for _ in range(2))
    # Read in another order, as a resumed run does.
    two.batch(two.plan(3)[1], 3)
    for epoch in range(4):
        assert one.plan(epoch) == two.plan(epoch)
        for items in one.plan(epoch):
            assert torch.equal(one.batch(items, epoch).features, two.batch(items, epoch).features)
    assert one.plan(2) != one.plan(3)
    first = one.plan(2)[0]
    assert not torch.equal(one.batch(first, 2).features.sum(), one.batch(first, 3).features.sum())


def test_every_utterance_is_in_an_epoch_once_and_no_batch_is_too_large(tmp_path: Path) -> None:
    made = dataset(make(tmp_path, ("да", "нет", "мама дома", "анна") * 10))
    for epoch in range(3):
        plan = made.plan(epoch)
        assert sorted(index for items in plan for item in items for index in item) == list(range(40))
        for items in plan:
            frames = max(made.num_frames[i] for (i,) in items) * len(items)
            assert frames <= 100 or len(items) == 1


def test_curriculum_epochs_come_short_to_long_and_later_ones_do_not(tmp_path: Path) -> None:
    texts = tuple("аб" * n for n in range(1, 30))
    made = dataset(make(tmp_path, texts), with_training(curriculum_epochs=2))
    for epoch, ordered in ((0, True), (1, True), (2, False)):
        longest = [max(made.num_frames[i] for (i,) in items) for items in made.plan(epoch)]
        # The lengths are shaken by five percent.
        assert all(b > 0.89 * a for a, b in pairwise(longest)) is ordered


def test_share_draws_that_part_of_a_source_anew_each_epoch(tmp_path: Path) -> None:
    utterances = make(tmp_path, ("да",) * 200)
    whole, part = utterances[:100], utterances[100:]
    made = Dataset([Source(whole), Source(part, 0.3)], CONFIG, ALPHABET, augment=False)
    draws = [made.draw(epoch) for epoch in range(20)]
    assert all(set(range(100)) <= set(draw) for draw in draws)
    counts = [len(draw) - 100 for draw in draws]
    # 20 draws of a binomial (100, 0.3): the mean has a deviation of 1.02.
    assert 25 < np.mean(counts) < 35
    assert draws[0] != draws[1]


def test_at_most_max_readings_of_a_sentence_are_drawn_and_others_each_time(tmp_path: Path) -> None:
    made = dataset(make(tmp_path, ("да",) * 20 + ("нет",) * 2), with_training(max_readings=3))
    draws = [made.draw(epoch) for epoch in range(30)]
    for draw in draws:
        assert len(draw) == 5
        assert {20, 21} < set(draw)
    assert set().union(*draws) == set(range(22))


def test_joined_pairs_say_both_texts_and_can_always_be_aligned(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"augment": AUGMENT.model_copy(update={"join": 1.0, "speed": 0.5})})
    utterances = make(tmp_path, ("анна", "да", "нет", "мама") * 5)
    for utterance in utterances[:10]:
        # Just enough frames for the text alone, none for the space of a pair.
        assert utterance.features is not None
        needed = check_text(utterance.text, ALPHABET)[1]
        save_mfc(utterance.features, speak(utterance.text)[: 2 * needed - 1])
    made = dataset(utterances, config, augment=True)
    assert len(made) == 20
    pairs = 0
    for epoch in range(10):
        for items in made.plan(epoch):
            batch = made.batch(items, epoch)
            for item, text, frames in zip(items, batch.texts, batch.feature_lengths.tolist(), strict=True):
                assert text == " ".join(made.utterances[index].text for index in item)
                assert num_output_frames(frames, config.network) >= check_text(text, ALPHABET)[1]
                pairs += len(item) == 2
    assert pairs > 20


def test_fingerprint_tells_other_data_apart(tmp_path: Path) -> None:
    utterances = make(tmp_path)
    same = dataset(utterances).fingerprint
    assert dataset(utterances).fingerprint == same
    others = [utterances[:3], utterances[::-1], [replace(utterances[0], text="ад"), *utterances[1:]]]
    assert same not in {dataset(other).fingerprint for other in others}
    assert dataset(utterances, share=0.5).fingerprint != same


def test_cropped_and_spliced_examples_hold_words_of_the_speaker_and_can_always_be_aligned(
    tmp_path: Path,
) -> None:
    changes = {"splice": 0.7, "crop": 0.4, "join": 0.3, "speed": 0.3}
    config = CONFIG.model_copy(update={"augment": AUGMENT.model_copy(update=changes)})
    shift = config.features.frame_shift
    utterances = []
    for number, utterance in enumerate(make(tmp_path, ("анна да нет", "мама да", "нет анна мама", "да") * 4)):
        words = utterance.text.split()
        ends = [len(speak(" ".join(words[:count]))) for count in range(1, len(words))]
        cuts = tuple(round(end * shift, 3) for end in ends)
        utterances.append(replace(utterance, cuts=cuts, speaker=f"s{number % 2}"))
    made = dataset(utterances, config, augment=True)
    new = short = 0
    texts = {utterance.text for utterance in utterances}
    for epoch in range(6):
        for items in made.plan(epoch):
            batch = made.batch(items, epoch)
            again = made.batch(items, epoch)
            assert batch.texts == again.texts
            assert torch.equal(batch.features, again.features)
            for item, text, frames in zip(items, batch.texts, batch.feature_lengths.tolist(), strict=True):
                assert set(text.split()) <= {"анна", "да", "нет", "мама"}
                assert num_output_frames(frames, config.network) >= check_text(text, ALPHABET)[1]
                new += len(item) == 1 and text not in texts
                short += len(item) == 1 and len(text) < len(utterances[item[0]].text)
    assert new > 10
    assert short > 10
    assert dataset(utterances).fingerprint != dataset([replace(u, cuts=()) for u in utterances]).fingerprint


def test_an_example_of_silence_has_no_text_and_can_be_trained_on(tmp_path: Path) -> None:
    network = CONFIG.network.model_copy(update={"search_output": True})
    augment = AUGMENT.model_copy(update={"silence": 0.3})
    config = with_training(batch_seconds=100).model_copy(update={"network": network, "augment": augment})
    made = dataset(make(tmp_path, ("анна да нет", "мама да") * 20), config, augment=True)
    (items,) = made.plan(0)
    batch = made.batch(items)
    assert 4 < batch.texts.count("") < 25
    model = AcousticNetwork(config.network, len(ALPHABET))
    denominator = denominator_of(config, made.texts(), ALPHABET)
    losses = ctc_losses(model, batch, False, denominator)
    assert torch.isfinite(losses).all()
    losses.sum().backward()  # type: ignore[no-untyped-call]
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
