from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from govor.config import (
    FEATURE_PRESETS,
    NETWORK_PRESETS,
    PRESETS,
    Config,
    NetworkConfig,
    load_config,
    parse_config,
)
from govor.errors import ConfigError, InputNotFoundError


def toml(folder: Path, text: str) -> Path:
    path = folder / "c.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_seed_is_thirteen_mfcc_two_blstm_of_128_and_ten_ms_steps() -> None:
    seed = PRESETS["seed"].network
    assert (seed.num_features, seed.num_layers, seed.hidden_size, seed.stride) == (13, 2, 128, 1)
    assert PRESETS["seed"].features.frame_shift == 0.01


def test_preset_in_a_table_is_a_start_that_other_keys_change(tmp_path: Path) -> None:
    config = load_config(
        toml(tmp_path, '[features]\npreset = "seed"\nlifter = 0\n[network]\npreset = "small"\nstride = 2\n')
    )
    assert config.features == FEATURE_PRESETS["seed"].model_copy(update={"lifter": 0})
    assert config.network == NETWORK_PRESETS["small"].model_copy(update={"stride": 2})


@pytest.mark.parametrize("name", PRESETS)
def test_configuration_survives_its_json(name: str) -> None:
    assert parse_config(PRESETS[name].model_dump(mode="json"), "x") == PRESETS[name]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[training]\nepoch = 3\n", "training.epoch"),
        ("[training]\nepochs = 0\n", "training.epochs"),
        ("[training]\nlearning_rate = nan\n", "training.learning_rate"),
        ("[training]\nlearning_rate = inf\n", "training.learning_rate"),
        ("[training]\nseed = -1\n", "training.seed"),
        ("[augment]\nspeed = 0.9\n", "augment.speed"),
        ('[features]\npreset = "sphynx"\n', "sphynx"),
        ("[features]\npreset = []\n", "preset"),
        ("features = 3\n", "features"),
        ("[network]\nstride = 3\n", "conv_channels"),
        ("[network]\nconv_channels = 8\nconv_kernel = 4\n", "conv_kernel"),
        ("[network]\nnum_features = 40\n", "num_cepstra"),
        ("[network\n", "line 1"),
    ],
)
def test_bad_configuration_is_one_line_that_names_file_and_key(tmp_path: Path, text: str, named: str) -> None:
    path = toml(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert str(path) in message
    assert named in message
    assert "\n" not in message
    assert "Value error" not in message


def test_missing_and_binary_files_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match=r"none\.toml: .*; there are small, seed"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path / "b.toml")


def test_configuration_cannot_be_changed_after_it_was_made() -> None:
    config = Config()
    with pytest.raises(ValidationError, match="frozen"):
        config.network.stride = 2  # type: ignore[misc]


def test_even_kernel_is_fine_where_there_is_no_convolution() -> None:
    assert NetworkConfig(conv_kernel=4).conv_channels == 0
