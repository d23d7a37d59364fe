"""The acoustic network: normalised features in, log-probabilities of letters out (torch)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from govor.config import NetworkConfig


def num_output_frames(num_frames: int, config: NetworkConfig) -> int:
    """Return T' = ceil(T / stride), the frames that the network puts out for T frames."""
    return -(-num_frames // config.stride)


class ConvFront(nn.Module):
    """Two convolutions over time, (B, T, F) -> (B, ceil(T / stride), C); the second one shortens."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        kernel, channels = config.conv_kernel, config.conv_channels
        self.stride = config.stride
        self.first = nn.Conv1d(config.num_features, channels, kernel, padding=kernel // 2)
        self.second = nn.Conv1d(channels, channels, kernel, stride=config.stride, padding=kernel // 2)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map features (B, T, F), zero past lengths (B,), to (B, T', C) and the new lengths."""
        hidden = torch.relu(self.first(features.transpose(1, 2)))
        # What lies past the end of an utterance must look like its own zero padding, so that a batch of
        # many gives what one at a time gives.
        hidden = hidden * frame_mask(lengths, hidden.shape[2])[:, None, :]
        lengths = torch.div(lengths + self.stride - 1, self.stride, rounding_mode="floor")
        return torch.relu(self.second(hidden)).transpose(1, 2), lengths


class BiLSTM(nn.Module):
    """One bidirectional LSTM layer over padded sequences, (T, B, I) -> (T, B, 2H).

    The backward direction reads each utterance from its own last frame, by reversing it inside its length.
    That equals packed sequences and is several times as fast on a CPU.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.ahead = nn.LSTM(input_size, hidden_size)
        self.back = nn.LSTM(input_size, hidden_size)
        for lstm in (self.ahead, self.back):
            for name, parameter in lstm.named_parameters():
                if name.startswith("bias"):
                    nn.init.zeros_(parameter)
                # An open forget gate lets gradients flow from the first step (Jozefowicz et al., 2015).
                if name == "bias_ih_l0":
                    nn.init.constant_(parameter[hidden_size : 2 * hidden_size], 1.0)

    def forward(self, frames: Tensor, reverse: Tensor) -> Tensor:
        """Map frames (T, B, I) to (T, B, 2H); `reverse` (T, B) is what `_reverse_index` gives."""
        ahead, _ = self.ahead(frames)
        back, _ = self.back(_permute_time(frames, reverse))
        return torch.cat((ahead, _permute_time(back, reverse)), dim=2)


class AcousticNetwork(nn.Module):
    """Optional convolutional front, BLSTM layers, one linear layer over the alphabet.

    The seed shape is Graves & Schmidhuber's BLSTM with CTC (2005, 2006).
    """

    def __init__(self, config: NetworkConfig, num_symbols: int) -> None:
        super().__init__()
        self.config = config
        self.front = ConvFront(config) if config.conv_channels else None
        if self.front is None and config.stride != 1:
            raise ValueError("a stride needs the convolutional front (conv_channels > 0)")
        width = config.conv_channels or config.num_features
        layers, norms = [], []
        for _ in range(config.num_layers):
            layers.append(BiLSTM(width, config.hidden_size))
            width = 2 * config.hidden_size
            norms.append(nn.LayerNorm(width) if config.layer_norm else nn.Identity())
        self.layers = nn.ModuleList(layers)
        self.norms = nn.ModuleList(norms)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(width, num_symbols)
        self.search_output = nn.Linear(width, num_symbols) if config.search_output else None

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map features (B, T, F), zero past lengths (B,), to log_probs (T', B, V) float32 and lengths."""
        hidden, lengths = self.encode(features, lengths)
        return _log_probs(self.output, hidden), lengths

    def forward_both(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        """Return what `forward` does and, between, the log_probs for the beam search, if there are any."""
        hidden, lengths = self.encode(features, lengths)
        search = _log_probs(self.search_output, hidden) if self.search_output is not None else None
        return _log_probs(self.output, hidden), search, lengths

    def encode(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map features (B, T, F), zero past lengths (B,), to what the last layer gives, (T', B, 2H)."""
        if self.front is not None:
            features, lengths = self.front(features, lengths)
            features = self.dropout(features)
        hidden = features.transpose(0, 1)
        reverse = _reverse_index(lengths, hidden.shape[0])
        for layer, norm in zip(self.layers, self.norms, strict=True):
            hidden = self.dropout(norm(layer(hidden, reverse)))
        return hidden, lengths


@contextlib.contextmanager
def flushed_denormals() -> Iterator[None]:
    """Count denormal numbers as zero inside the block.

    Padding drives gradients into denormals, which cost a CPU a factor of five. The switch is the whole
    thread's, so it is put back for whoever computes after us.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def frame_mask(lengths: Tensor, num_frames: int) -> Tensor:
    """Return (B, T), true inside each utterance."""
    return torch.arange(num_frames, device=lengths.device)[None, :] < lengths[:, None]


def _log_probs(output: nn.Linear, hidden: Tensor) -> Tensor:
    log_probs: Tensor = output(hidden).float().log_softmax(dim=2)
    return log_probs


def _reverse_index(lengths: Tensor, num_frames: int) -> Tensor:
    """Return (T, B): index of the frame that mirrors t inside its utterance; the padding stays in place."""
    time = torch.arange(num_frames, device=lengths.device)[:, None]
    mirrored = lengths[None, :] - 1 - time
    return torch.where(mirrored >= 0, mirrored, time)


def _permute_time(frames: Tensor, index: Tensor) -> Tensor:
    return frames.gather(0, index[:, :, None].expand(-1, -1, frames.shape[2]))
