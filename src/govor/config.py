"""Frozen configurations of features, network and training. Unknown keys are errors; each is saved whole."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from govor.errors import ConfigError, InputNotFoundError, system_reason
from govor.language import tr


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FeatureConfig(_Frozen):
    """An MFCC front end: waveform (N,) -> features (T, num_cepstra) float32."""

    frontend: Literal["htk", "sphinx"]
    """``htk``: as python_speech_features computes; ``sphinx``: as CMU sphinxbase's ``sphinx_fe`` computes."""
    sample_rate: int = Field(16000, ge=4000, le=48000)
    window_ms: float = Field(25.0, gt=1, le=200)
    frame_shift_ms: float = Field(10.0, gt=1, le=100)
    fft_size: int = Field(512, ge=64, le=8192)
    num_filters: int = Field(26, ge=2, le=128)
    num_cepstra: int = Field(13, ge=2, le=64)
    low_frequency: float = Field(50.0, ge=0)
    high_frequency: float | None = None
    """Upper edge of the highest filter, Hz; None is half the sample rate."""
    lifter: int = Field(22, ge=0)
    preemphasis: float = Field(0.97, ge=0, lt=1)
    remove_noise: bool = False
    remove_silence: bool = False

    @property
    def frame_shift(self) -> float:
        """Seconds between the starts of neighbouring frames."""
        return self.frame_shift_ms / 1000.0


FEATURE_PRESETS: dict[str, FeatureConfig] = {
    # The school project's front end: python_speech_features.mfcc(signal, 16000, lowfreq=50).
    "seed": FeatureConfig(frontend="htk"),
    # What made the public VoxForge-ru feature corpus (sphinx_fe of sphinxbase 5prealpha on 8 kHz audio).
    "sphinx8k": FeatureConfig(
        frontend="sphinx",
        sample_rate=8000,
        window_ms=25.625,
        fft_size=512,
        num_filters=15,
        low_frequency=200.0,
        high_frequency=3500.0,
        remove_noise=True,
        remove_silence=True,
    ),
}


class NetworkConfig(_Frozen):
    """Shape of the acoustic network: features (B, T, F) -> log-probabilities (B, T', V)."""

    num_features: int = Field(13, ge=1)
    conv_channels: int = Field(0, ge=0)
    """Channels of the convolutional front; 0 leaves it out."""
    conv_kernel: int = Field(5, ge=1)
    stride: int = Field(1, ge=1, le=8)
    """How many input frames become one output frame."""
    hidden_size: int = Field(128, ge=8)
    """Units of a BLSTM layer in each direction."""
    num_layers: int = Field(2, ge=1, le=8)
    layer_norm: bool = False
    dropout: float = Field(0.0, ge=0, lt=1)
    search_output: bool = False
    """Whether a second output layer serves the beam search, leaving to the language model what that knows."""

    @model_validator(mode="after")
    def _fits(self) -> NetworkConfig:
        if self.stride > 1 and not self.conv_channels:
            raise ValueError(
                tr(
                    f"stride = {self.stride} работает только со свёрткой: задайте conv_channels",
                    f"stride = {self.stride} needs the convolutional front: set conv_channels",
                )
            )
        if self.conv_channels and self.conv_kernel % 2 == 0:
            # An even kernel has no middle, so the front would not give ceil(T / stride) frames.
            raise ValueError(
                tr(
                    f"conv_kernel = {self.conv_kernel}, а должно быть нечётным",
                    f"conv_kernel = {self.conv_kernel} but must be odd",
                )
            )
        return self


NETWORK_PRESETS: dict[str, NetworkConfig] = {
    "seed": NetworkConfig(),
    # That of the shipped model, so that a training may begin with it: --init small.
    "small": NetworkConfig(
        conv_channels=160,
        stride=3,
        hidden_size=288,
        num_layers=3,
        layer_norm=True,
        dropout=0.1,
        search_output=True,
    ),
}


class AugmentConfig(_Frozen):
    """Random changes of the training features, drawn anew each time an utterance is read."""

    speed: float = Field(0.0, ge=0, le=0.5)
    """Time is stretched by a factor drawn from 1 ± speed."""
    warp: float = Field(0.0, ge=0, le=0.5)
    """The frequency axis is stretched by a factor drawn from 1 ± warp (length of the vocal tract)."""
    noise: float = Field(0.0, ge=0, le=1)
    """Probability of added noise in the log-mel domain."""
    reverb: float = Field(0.0, ge=0, le=1)
    """Probability of an added room: each band's energy rings on and falls exponentially."""
    tilt: float = Field(0.0, ge=0)
    """Standard deviation of the random channel, in natural-log units over the mel bands."""
    time_masks: int = Field(0, ge=0)
    time_mask_frames: int = Field(20, ge=0)
    """Longest time mask, frames."""
    band_masks: int = Field(0, ge=0)
    band_mask_width: int = Field(3, ge=1)
    """Widest frequency mask, mel bands."""
    splice: float = Field(0.0, ge=0, le=1)
    """Probability of a new sentence of the speaker's own words instead, where the manifest has `cuts`."""
    crop: float = Field(0.0, ge=0, le=1)
    """Probability that one to four words are heard alone, where the manifest has `cuts`."""
    join: float = Field(0.0, ge=0, le=1)
    """Probability that an utterance is followed by another one."""
    join_seconds: float = Field(16.0, gt=0)
    """Longest joined pair."""
    silence: float = Field(0.0, ge=0, lt=1)
    """Probability that a noise is heard instead, in which nobody speaks."""


class TrainingConfig(_Frozen):
    """How a network is trained."""

    epochs: int = Field(24, ge=1)
    batch_seconds: float = Field(120.0, gt=0)
    """Speech in a batch, seconds, padding included."""
    batches_per_step: int = Field(0, ge=0)
    """Batches whose gradients make one step, divided among the processes; 0 is one for each process."""
    block_hours: float = Field(4.0, gt=0)
    """Speech of shards that each process holds in memory at once, hours."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """``muon`` learns more from each hour where steps are large, of 400 s of speech and more."""
    learning_rate: float = Field(1e-3, gt=0)
    warmup_steps: int = Field(200, ge=0)
    final_rate_fraction: float = Field(0.02, ge=0, le=1)
    """The learning rate falls along a cosine to this part of its peak."""
    weight_decay: float = Field(1e-2, ge=0)
    gradient_clip: float = Field(5.0, gt=0)
    ema_decay: float = Field(0.0, ge=0, lt=1)
    """Decay of the moving average of the weights that is evaluated and exported; 0 turns it off."""
    denominator: float = Field(0.9, ge=0, le=1)
    """Loss of the search output: from 0, plain CTC, to 1, CTC-CRF, which takes the letters' habits off."""
    bfloat16: bool = True
    """Run the network in bfloat16 where the processor has it (about 1.8 times as fast)."""
    max_readings: int = Field(0, ge=0)
    """At most this many recordings of one sentence in an epoch, others drawn each time; 0 sets no limit."""
    curriculum_epochs: int = Field(1, ge=0)
    """Epochs in which batches come short to long instead of shuffled."""
    seed: int = Field(1, ge=0)
    checkpoint_minutes: float = Field(5.0, gt=0)
    """A checkpoint is also written inside long epochs, so that a kill loses at most this."""
    show_utterances: int = Field(4, ge=0)
    """Dev utterances printed beside their references after every epoch."""


class AdaptationConfig(_Frozen):
    """How a model is adapted to one person's recordings."""

    epochs: int = Field(40, ge=1)
    patience: int = Field(10, ge=1)
    """Stop after this many epochs without a lower loss on the phrases held out."""
    learning_rate: float = Field(1e-3, gt=0)
    recurrent: bool = False
    """Train the recurrent layers too, not only what lies around them (docs/decisions/0007)."""
    held_out: float = Field(0.2, ge=0, lt=1)
    """Part of the phrases that is not trained on but measured."""
    rehearsal_ratio: float = Field(1.0, ge=0)
    """Seconds of rehearsal for every second of own speech."""
    distill: float = Field(1.0, ge=0)
    """Weight of keeping the old outputs on the rehearsed speech; 0 learns its texts instead."""
    anchor: float = Field(1e-2, ge=0)
    """Pull of the old weights, per step and learning rate (Li et al., L2-SP, ICML 2018)."""
    batch_seconds: float = Field(60.0, gt=0)
    max_general_loss: float = Field(0.02, ge=0)
    """The adapted weights are mixed with the old ones until rehearsal suffers no more than this part."""
    augment: AugmentConfig = AugmentConfig(
        speed=0.1, warp=0.05, noise=0.3, tilt=0.3, time_masks=2, band_masks=1, band_mask_width=2, join=0.3
    )
    seed: int = 1


def check_letters(letters: str) -> str:
    """Return the letters of a language as they are. Raises ValueError unless they can be an alphabet."""
    # An apostrophe is a letter to Ukrainian, Belarusian and others.
    strange = [one for one in letters if not (one.isalpha() and one == one.lower()) and one not in "'’ʼ"]
    twice = [one for one in sorted(set(letters)) if letters.count(one) > 1]
    composed = unicodedata.normalize("NFC", letters) == letters
    if not letters or strange or twice or not composed:
        shown = " ".join([*strange, *twice]) or repr(letters)
        raise ValueError(
            tr(
                f"letters: нужны разные строчные буквы одной строкой, без пробелов; мешает: {shown}",
                f"letters: must be distinct lower case letters in one string, no spaces; wrong: {shown}",
            )
        )
    return letters


class Config(_Frozen):
    """Everything that defines a model and its training; saved in every checkpoint."""

    letters: str | None = None
    """Letters of the language in lower case, such as ``"абвгд"``; None is Russian."""
    features: FeatureConfig = FEATURE_PRESETS["sphinx8k"]
    network: NetworkConfig = NETWORK_PRESETS["small"]
    augment: AugmentConfig = AugmentConfig()
    training: TrainingConfig = TrainingConfig()

    @field_validator("letters")
    @classmethod
    def _are_letters(cls, letters: str | None) -> str | None:
        return None if letters is None else check_letters(letters)

    @model_validator(mode="after")
    def _fits(self) -> Config:
        if self.network.num_features != self.features.num_cepstra:
            raise ValueError(
                tr(
                    f"network.num_features = {self.network.num_features}, "
                    f"а features.num_cepstra = {self.features.num_cepstra}: должны совпадать",
                    f"network.num_features = {self.network.num_features} "
                    f"but features.num_cepstra = {self.features.num_cepstra}: they must be equal",
                )
            )
        return self


PRESETS: dict[str, Config] = {
    "small": Config(
        augment=AugmentConfig(
            speed=0.1, warp=0.1, noise=0.3, tilt=0.3, time_masks=2, band_masks=1, band_mask_width=2, join=0.1
        ),
        training=TrainingConfig(learning_rate=2e-3, warmup_steps=300, ema_decay=0.995, max_readings=30),
    ),
    # The school project's network and recipe, on the features of the public corpus.
    "seed": Config(network=NETWORK_PRESETS["seed"], training=TrainingConfig(learning_rate=2e-3)),
}


def load_config(path: Path, ready: Iterable[str] = PRESETS) -> Config:
    """Read a TOML configuration. ``preset = "name"`` inside a table starts from that preset.

    `ready` are the names that could have been given instead of a file, which a message lists.
    Raises InputNotFoundError if the file is missing, ConfigError on bad TOML, unknown keys or presets and
    values out of range; the message names the key.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        names = ", ".join(ready)
        raise InputNotFoundError(
            tr(
                f"нет конфигурации {path}: {system_reason(error)}; готовые: {names}",
                f"no configuration {path}: {system_reason(error)}; there are {names}",
            )
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(tr(f"{path}: не UTF-8", f"{path}: not UTF-8")) from error
    try:
        tables: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
    for name, presets in (("features", FEATURE_PRESETS), ("network", NETWORK_PRESETS)):
        table = tables.get(name)
        if isinstance(table, dict) and "preset" in table:
            tables[name] = _expand_preset(path, name, dict(table), presets)
    return parse_config(tables, str(path))


def _expand_preset(
    path: Path, section: str, table: dict[str, Any], presets: dict[str, Any]
) -> dict[str, Any]:
    preset = table.pop("preset")
    if not isinstance(preset, str) or preset not in presets:
        known = ", ".join(presets)
        raise ConfigError(
            tr(
                f"{path}: [{section}] preset = {preset!r} неизвестен; есть: {known}",
                f"{path}: [{section}] preset = {preset!r} is unknown; there are: {known}",
            )
        )
    return {**presets[preset].model_dump(), **table}


def parse_config(tables: dict[str, Any], source: str) -> Config:
    """Validate a configuration given as nested dicts; `source` names it in the ConfigError."""
    try:
        return Config.model_validate(tables)
    except ValidationError as error:
        first = error.errors()[0]
        place = [source, ".".join(str(part) for part in first["loc"])]
        # Pydantic's own words stand before those of a validator of ours.
        reason = first["msg"].removeprefix("Value error, ")
        raise ConfigError(": ".join(part for part in (*place, reason) if part)) from error
