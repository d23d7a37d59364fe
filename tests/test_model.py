from __future__ import annotations

import itertools

import pytest
import torch

from govor.config import NETWORK_PRESETS, NetworkConfig
from govor.model import AcousticNetwork, num_output_frames

CONFIGS = {
    "seed": NetworkConfig(hidden_size=16),
    "seed with norm": NetworkConfig(hidden_size=16, layer_norm=True, num_layers=1),
    "conv": NetworkConfig(hidden_size=16, conv_channels=12, stride=1),
    "small": NetworkConfig(
        hidden_size=16, conv_channels=12, stride=3, layer_norm=True, num_layers=3, dropout=0.2
    ),
    "wide kernel": NetworkConfig(hidden_size=16, conv_channels=12, conv_kernel=9, stride=4, layer_norm=True),
    "kernel of one": NetworkConfig(hidden_size=16, conv_channels=12, conv_kernel=1, stride=2),
}
LENGTHS = (37, 1, 20, 2, 36, 7)


def network(config: NetworkConfig) -> AcousticNetwork:
    torch.manual_seed(0)
    return AcousticNetwork(config, 35).eval()


def ragged(lengths: tuple[int, ...] = LENGTHS, padding: int = 27) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    features = torch.zeros(len(lengths), max(lengths) + padding, 13)
    for row, length in zip(features, lengths, strict=True):
        row[:length] = torch.randn(length, 13)
    return features, torch.tensor(lengths)


@pytest.mark.parametrize("name", CONFIGS)
def test_batch_of_many_gives_what_one_at_a_time_gives(name: str) -> None:
    model = network(CONFIGS[name])
    features, lengths = ragged()
    with torch.inference_mode():
        together, frames = model(features, lengths)
        for row, length in enumerate(LENGTHS):
            alone, (count,) = model(features[row : row + 1, :length], lengths[row : row + 1])
            assert count == frames[row] == num_output_frames(length, CONFIGS[name]) == len(alone)
            # Measured 7e-7: sums in another order.
            torch.testing.assert_close(together[:count, row], alone[:, 0], rtol=0, atol=1e-5)


def test_what_lies_in_the_padding_of_others_reaches_nobody() -> None:
    model = network(CONFIGS["small"])
    features, lengths = ragged()
    with torch.inference_mode():
        before, frames = model(features, lengths)
        features[0, :37] = 50.0
        after, _ = model(features, lengths)
    for row in range(1, len(LENGTHS)):
        torch.testing.assert_close(before[: frames[row], row], after[: frames[row], row], rtol=0, atol=1e-5)


def test_backward_direction_starts_at_the_last_frame_of_each_utterance() -> None:
    layer = network(NetworkConfig(hidden_size=16, num_layers=1)).layers[0]
    features, lengths = ragged()
    mirrored = torch.zeros_like(features)
    for row, length in enumerate(LENGTHS):
        mirrored[row, :length] = features[row, :length].flip(0)
    from govor.model import _reverse_index

    with torch.inference_mode():
        both = layer(features.transpose(0, 1), _reverse_index(lengths, features.shape[1]))
        back, _ = layer.back(mirrored.transpose(0, 1))
    for row, length in enumerate(LENGTHS):
        expected = back[:length, row].flip(0)
        torch.testing.assert_close(both[:length, row, 16:], expected, rtol=0, atol=1e-6)


def test_blstm_equals_the_bidirectional_lstm_of_torch_on_packed_sequences() -> None:
    layer = network(NetworkConfig(hidden_size=16, num_layers=1)).layers[0]
    oracle = torch.nn.LSTM(13, 16, bidirectional=True)
    weights = dict(layer.ahead.state_dict())
    weights |= {f"{name}_reverse": value for name, value in layer.back.state_dict().items()}
    oracle.load_state_dict(weights)
    features, lengths = ragged(padding=0)
    packed = torch.nn.utils.rnn.pack_padded_sequence(features.transpose(0, 1), lengths, enforce_sorted=False)
    from govor.model import _reverse_index

    with torch.inference_mode():
        expected, _ = torch.nn.utils.rnn.pad_packed_sequence(oracle(packed)[0])
        ours = layer(features.transpose(0, 1), _reverse_index(lengths, features.shape[1]))
    for row, length in enumerate(LENGTHS):
        torch.testing.assert_close(ours[:length, row], expected[:length, row], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("stride", "kernel"), list(itertools.product(range(1, 9), (1, 3, 5, 9))))
def test_number_of_output_frames_is_that_of_input_frames_by_stride_rounded_up(
    stride: int, kernel: int
) -> None:
    config = NetworkConfig(hidden_size=8, num_layers=1, conv_channels=4, stride=stride, conv_kernel=kernel)
    model = network(config)
    for frames in range(1, 20):
        with torch.inference_mode():
            log_probs, lengths = model(torch.zeros(1, frames, 13), torch.tensor([frames]))
        expected = (frames + stride - 1) // stride
        assert num_output_frames(frames, config) == expected
        assert (len(log_probs), int(lengths)) == (expected, expected)


def test_seed_preset_is_two_blstm_of_128_and_35_outputs_at_every_frame() -> None:
    model = network(NETWORK_PRESETS["seed"])
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items() if "weight" in name}
    assert shapes == {
        "layers.0.ahead.weight_ih_l0": (512, 13),
        "layers.0.ahead.weight_hh_l0": (512, 128),
        "layers.0.back.weight_ih_l0": (512, 13),
        "layers.0.back.weight_hh_l0": (512, 128),
        "layers.1.ahead.weight_ih_l0": (512, 256),
        "layers.1.ahead.weight_hh_l0": (512, 128),
        "layers.1.back.weight_ih_l0": (512, 256),
        "layers.1.back.weight_hh_l0": (512, 128),
        "output.weight": (35, 256),
    }
    with torch.inference_mode():
        log_probs, _ = model(torch.zeros(2, 50, 13), torch.tensor([50, 50]))
    assert log_probs.shape == (50, 2, 35)
    torch.testing.assert_close(log_probs.exp().sum(dim=2), torch.ones(50, 2))
