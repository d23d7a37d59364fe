"""Record some seconds from a microphone at one go."""

from __future__ import annotations

import numpy as np

from govor.audio.loading import Waveform
from govor.audio.microphone import Microphone
from govor.language import tr


def record_seconds(seconds: float, sample_rate: int = 16000, device: int | str | None = None) -> Waveform:
    """Record that many seconds; a warning says so if sound was lost on the way.

    Raises DeviceError if the device is missing, busy, not permitted or lost, MissingExtraError without
    sounddevice.
    """
    wanted = round(seconds * sample_rate)
    blocks = []
    num_samples = 0
    lost = False
    with Microphone(device, sample_rate) as microphone:
        while num_samples < wanted:
            block = microphone.read()
            lost = lost or block.overflowed
            blocks.append(block.samples)
            num_samples += len(block.samples)
    samples = np.concatenate(blocks)[:wanted] if blocks else np.zeros(0, np.float32)
    warning = tr(
        "часть звука потеряна: компьютер не успевал", "some sound was lost: the computer was too slow"
    )
    return Waveform(samples, sample_rate, (warning,) if lost else ())
