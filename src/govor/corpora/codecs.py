"""Telephone and messenger codecs, to hear what is left of a voice after them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from govor.errors import MissingExtraError
from govor.language import tr

Wide = NDArray[np.float64]

CODECS = ("none", "mulaw", "amr", "opus")
AMR_BIT_RATES = (4750, 5900, 7400, 12200)
OPUS_BIT_RATES = (6000, 8000, 12000, 16000)
"""Bits a second."""


def through_codec(sound: Wide, sample_rate: int, codec: str, bit_rate: int) -> Wide:
    """Squeeze a waveform (N,) within -1..1 through a codec of `CODECS` at 8 kHz and back; the length stays.

    ``mulaw`` is ITU-T G.711, ``amr`` AMR narrow-band as in mobile telephones, ``opus`` as in messengers.
    Raises MissingExtraError if this build of PyAV has no such encoder.
    """
    if codec == "none":
        return sound
    if codec == "mulaw":
        squeezed = np.sign(sound) * np.log1p(255 * np.minimum(np.abs(sound), 1.0)) / np.log(256)
        squeezed = np.round(squeezed * 127) / 127
        return np.asarray(np.sign(squeezed) * np.expm1(np.abs(squeezed) * np.log(256)) / 255)
    name, decoder_name = {"amr": ("libopencore_amrnb", "amrnb"), "opus": ("libopus", "libopus")}[codec]
    narrow, rate = _coded(_resampled(sound, sample_rate, 8000), name, decoder_name, bit_rate)
    wide = _resampled(narrow, rate, sample_rate)[: len(sound)]
    return np.pad(wide, (0, len(sound) - len(wide)))


def _resampled(sound: Wide, source_rate: int, sample_rate: int) -> Wide:
    """Resample a whole waveform by cutting or lengthening its spectrum."""
    if source_rate == sample_rate:
        return sound
    # Whole blocks of both rates, with silence between the end and the wrapped start.
    padded = np.pad(sound, (0, -len(sound) % source_rate + source_rate))
    size = len(padded) // source_rate * sample_rate
    spectrum = np.fft.rfft(padded)[: size // 2 + 1]
    made = np.fft.irfft(spectrum, size) * (size / len(padded))
    return np.asarray(made[: round(len(sound) * sample_rate / source_rate)])


def _coded(sound: Wide, encoder_name: str, decoder_name: str, bit_rate: int) -> tuple[Wide, int]:
    import av

    try:
        encoder = av.CodecContext.create(encoder_name, "w")
        decoder = av.CodecContext.create(decoder_name, "r")
    except ValueError as error:
        raise MissingExtraError(
            tr(
                f"в этой сборке PyAV нет кодека {encoder_name}: pip install 'av<19'",
                f"this build of PyAV has no codec {encoder_name}: pip install 'av<19'",
            )
        ) from error
    assert isinstance(encoder, av.AudioCodecContext) and isinstance(decoder, av.AudioCodecContext)
    encoder.format, encoder.layout, encoder.sample_rate = av.AudioFormat("s16"), av.AudioLayout("mono"), 8000
    encoder.bit_rate = bit_rate
    decoder.sample_rate, decoder.layout = 8000, av.AudioLayout("mono")
    encoder.open()
    size = encoder.frame_size or 160
    decoder.extradata = encoder.extradata
    steps = np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)
    steps = np.pad(steps, (0, -len(steps) % size + size))
    made: list[Wide] = []
    rate = 8000

    for start in range(0, len(steps) + size, size):
        block: av.AudioFrame | None = None
        if start < len(steps):
            block = av.AudioFrame.from_ndarray(steps[None, start : start + size], format="s16", layout="mono")
            block.sample_rate, block.pts = 8000, start
        # None at the end asks the encoder for what it still holds.
        for packet in encoder.encode(block):
            for frame in decoder.decode(packet):
                samples = frame.to_ndarray().reshape(-1)
                scale = 32768.0 if samples.dtype == np.int16 else 1.0
                made.append(samples.astype(np.float64) / scale)
                rate = frame.sample_rate
    return np.concatenate(made), rate
