"""Recordings to text on onnxruntime, without torch: `load_model`, then `Recognizer.transcribe`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govor.audio.loading import RawFormat, Samples, Source, channels_from, read_channels
from govor.audio.quality import SoundMeter
from govor.decoding.beam import BeamDecoder, BeamSettings, shipped_language_model
from govor.decoding.confidence import Calibration, calibration_from_json, word_features
from govor.decoding.greedy import Decoded, Decoder, greedy, reads_search_output
from govor.decoding.loading import has_compiled_search
from govor.decoding.portable import PORTABLE_BEAM_WIDTH
from govor.decoding.word_times import Offsets, offsets_from_json, word_times
from govor.errors import ConfigError
from govor.language import tr
from govor.long_recordings.cutting import PauseCutter, WindowCutter
from govor.long_recordings.joining import Heard
from govor.long_recordings.recognition import Track, problems_of
from govor.onnx.model import OnnxModel, load_onnx_model
from govor.speech.endpointing import EndpointConfig
from govor.speech.hearing import hear
from govor.speech.presence import SpeechCheck
from govor.streaming import Stream
from govor.transcript import Coverage, Segment, Transcript, Word


@dataclass(frozen=True)
class Recognizer:
    """A loaded model. Make it with `load_model`; it may be used for any number of recordings."""

    model: OnnxModel
    _decoders: dict[str, Decoder] = field(default_factory=dict, repr=False, compare=False)

    def transcribe(
        self,
        source: Source | NDArray[Any],
        decoder: str | Decoder = "auto",
        sample_rate: int | None = None,
        on_progress: Callable[[float], None] | None = None,
        *,
        vad: bool = True,
        split_channels: bool = False,
        raw: RawFormat | None = None,
        on_segments: Callable[[Sequence[Segment]], None] | None = None,
    ) -> Transcript:
        """Recognise a path, bytes, a binary stream, or an array (N,) or (N, C) of `sample_rate` Hz.

        `decoder` is ``greedy``; ``beam`` (with the shipped language model); ``auto``, which is ``beam`` where
        that model is there and ``govor tune`` has set the weights, else ``greedy``; or any callable from
        log_probs (T, V) to `Decoded`, such as `beam_decoder` makes. `on_progress` is told the seconds done
        after each part.
        Over 25 s a recording is cut at pauses of speech, and silences over 2 s are left out; without `vad` it
        is recognised throughout in overlapping windows. With `split_channels` each channel is recognised by
        itself and the segments say which; else they are averaged. `raw` is the format of bytes without a
        header. `on_segments` is given the segments as they are finished, in order, if the channels are not
        split. Memory does not grow with the recording's length, unless it is given as an array.
        Raises InputNotFoundError, AudioError, ModelError, ConfigError.
        """
        # What is wrong with it should be said before any work.
        self.decoder(decoder)
        warnings: list[str] = []
        rate = self.model.config.features.sample_rate
        meter = SoundMeter()
        path: str | None = None
        blocks: Iterable[Samples]
        if isinstance(source, np.ndarray):
            if sample_rate is None:
                raise ConfigError(
                    tr(
                        "для массива нужна частота: transcribe(samples, sample_rate=16000)",
                        "an array needs its rate: transcribe(samples, sample_rate=16000)",
                    )
                )
            blocks = [channels_from(source, sample_rate, rate, split=split_channels, listener=meter.feed)]
        else:
            path = str(source) if isinstance(source, (str, Path)) else None
            blocks = read_channels(
                source, rate, split=split_channels, raw=raw, listener=meter.feed, warnings=warnings
            )
        tracks: list[Track] = []
        done = given = 0
        for block in blocks:
            tracks = tracks or [
                self._track(decoder, vad, channel + 1 if split_channels else None)
                for channel in range(len(block))
            ]
            for track, samples in zip(tracks, block, strict=True):
                track.feed(samples)
            done += block.shape[1]
            given = _hand_out(tracks, given, on_segments)
            if on_progress is not None:
                on_progress(done / rate)
        for track in tracks:
            track.finish()
        _hand_out(tracks, given, on_segments)
        segments = sorted((segment for track in tracks for segment in track.segments), key=lambda s: s.start)
        return Transcript(
            " ".join(segment.text for segment in segments),
            tuple(segments),
            done / rate,
            path,
            tuple(warnings),
            coverage=Coverage(tuple(stretch for track in tracks for stretch in track.stretches)),
            problems=problems_of(meter, tracks, done / rate),
        )

    def _track(self, decoder: str | Decoder, vad: bool, channel: int | None) -> Track:
        decode = self.decoder(decoder)
        model = self.model_for(decode)
        calibration = self.calibration(decoder)

        def make_segment(heard: Heard, end: float) -> Segment | None:
            return self._segment(decode(heard.log_probs), heard.log_probs, calibration, heard.times, 0.0, end)

        rate = self.model.config.features.sample_rate
        cutter = PauseCutter(rate) if vad else WindowCutter(rate)
        return Track(model, cutter, make_segment, SpeechCheck(rate) if vad else None, channel)

    def stream(
        self,
        decoder: str | Decoder = "auto",
        sample_rate: int = 16000,
        partials: bool = True,
        endpoints: EndpointConfig | None = None,
    ) -> Stream:
        """Start live recognition of sound of `sample_rate` Hz; `decoder` is as in `transcribe`.

        Without `partials` only finished utterances are reported, which costs less. `endpoints` says what
        counts as speech and which pause ends an utterance. Raises AudioError for a wrong rate, ConfigError.
        """
        decode = self.decoder(decoder)
        calibration = self.calibration(decoder)

        def recognize(first: int, samples: Samples) -> Segment | None:
            return next(self._segments([(first, samples)], decode, calibration), None)

        rate = self.model.config.features.sample_rate
        return Stream(recognize, rate, sample_rate, partials=partials, endpoints=endpoints)

    @property
    def offsets(self) -> Offsets:
        """How word times are corrected, as calibrated for this model."""
        return offsets_from_json(self.model.decoding.get("times"))

    def calibration(self, decoder: str | Decoder) -> Calibration | None:
        """Return what turns letter probabilities into confidences, if the model has it for that decoder."""
        decode = self.decoder(decoder)
        if isinstance(decode, BeamDecoder):
            name = "beam"
        elif isinstance(decoder, str):
            name = "greedy"
        else:
            return None
        return calibration_from_json(self.model.decoding.get("confidence"), name)

    def _segments(
        self, windows: list[tuple[int, Samples]], decode: Decoder, calibration: Calibration | None
    ) -> Iterator[Segment]:
        features = self.model.config.features
        parts = [hear(samples, features, trim=True) for _, samples in windows]
        all_log_probs = self.model_for(decode).log_probs([part.values for part in parts])
        for (first, samples), part, log_probs in zip(windows, parts, all_log_probs, strict=True):
            offset = first / features.sample_rate
            duration = len(samples) / features.sample_rate
            segment = self._segment(decode(log_probs), log_probs, calibration, part.times, offset, duration)
            if segment is not None:
                yield segment

    def _segment(
        self,
        decoded: Decoded,
        log_probs: NDArray[np.float32],
        calibration: Calibration | None,
        times: NDArray[Any],
        offset: float,
        duration: float,
    ) -> Segment | None:
        if not decoded.words:
            return None
        confidences = [word.confidence for word in decoded.words]
        if calibration is not None:
            confidences = calibration.apply(word_features(decoded.words, log_probs)).tolist()
        spans = word_times(
            decoded.words,
            times,
            self.model.config.network.stride,
            self.model.config.features.frame_shift,
            duration,
            self.offsets,
        )
        words = tuple(
            Word(word.text, offset + start, offset + end, confidence)
            for word, (start, end), confidence in zip(decoded.words, spans, confidences, strict=True)
        )
        confidence = sum(confidences) / len(words)
        return Segment(words[0].start, words[-1].end, decoded.text, words, confidence, decoded.alternatives)

    def transcribe_features(self, values: NDArray[np.float32], decoder: str | Decoder = "auto") -> Transcript:
        """Recognise ready features (T, F), not normalised. Times count the frames, silence being cut out."""
        decode = self.decoder(decoder)
        shift = self.model.config.features.frame_shift
        duration = len(values) * shift
        (log_probs,) = self.model_for(decode).log_probs([values])
        times = np.arange(len(values)) * shift
        segment = self._segment(decode(log_probs), log_probs, self.calibration(decoder), times, 0.0, duration)
        segments = (segment,) if segment is not None else ()
        text = segment.text if segment is not None else ""
        return Transcript(text, segments, duration)

    def model_for(self, decode: Decoder) -> OnnxModel:
        """Return the model with the output that a decoder wants."""
        return self.model.for_search() if reads_search_output(decode) else self.model

    def decoder(self, decoder: str | Decoder) -> Decoder:
        """Return the decoder of that name, kept for the next call. Raises ConfigError, ModelError."""
        if callable(decoder):
            return decoder
        if decoder not in ("auto", "greedy", "beam"):
            raise ConfigError(
                tr(
                    f"неизвестный декодер {decoder!r}: auto, greedy или beam",
                    f"no decoder {decoder!r}: auto, greedy or beam",
                )
            )
        if decoder not in self._decoders:
            self._decoders[decoder] = self._make_decoder(decoder)
        return self._decoders[decoder]

    def _make_decoder(self, name: str) -> Decoder:
        def plain(log_probs: NDArray[np.float32]) -> Decoded:
            return greedy(log_probs, self.model.alphabet)

        # Weights that suit another model make words out of silence, so only a tuned one gets them unasked.
        tuned = {"alpha", "beta"} <= self.model.decoding.keys()
        language_model = self.shipped_language_model()
        if name == "greedy" or (name == "auto" and not (tuned and language_model)):
            return plain
        return self.beam_decoder(language_model)

    def shipped_language_model(self) -> Path | None:
        """Return the language model that comes with Govor if it knows this model's language, else None."""
        return shipped_language_model() if self.model.alphabet.is_russian else None

    def beam_decoder(
        self,
        language_model: Path | None,
        *,
        hotwords: Sequence[str] = (),
        num_alternatives: int = 1,
        **weights: float | None,
    ) -> BeamDecoder:
        """Make a decoder of this model with a language model (.klm, .arpa) or none, for `transcribe`.

        `weights` are fields of `BeamSettings`; those absent or None are as tuned for this model.
        Raises what `BeamDecoder` does.
        """
        known = {name.name for name in fields(BeamSettings)}
        tuned = {name: value for name, value in self.model.decoding.items() if name in known}
        if self.model.config.network.search_output and language_model is None:
            # They were tuned for the other output.
            tuned = {}
        given = {name: value for name, value in weights.items() if value is not None}
        try:
            settings = BeamSettings(**{**tuned, **given})
            if "beam_width" not in given and not has_compiled_search():
                settings = replace(settings, beam_width=min(settings.beam_width, PORTABLE_BEAM_WIDTH))
        except TypeError as error:
            raise ConfigError(f"{self.model.name}: {error}") from error
        return BeamDecoder(
            self.model.alphabet,
            language_model,
            settings,
            hotwords=hotwords,
            num_alternatives=num_alternatives,
        )


def _hand_out(
    tracks: Sequence[Track], given: int, on_segments: Callable[[Sequence[Segment]], None] | None
) -> int:
    """Give what the only track has beyond the first `given` segments; return how many are given now."""
    if on_segments is None or len(tracks) != 1 or len(tracks[0].segments) == given:
        return given
    on_segments(tracks[0].segments[given:])
    return len(tracks[0].segments)


def load_model(path: Path | str | None = None, *, threads: int = 1) -> Recognizer:
    """Load a model made by ``govor export``; without `path`, the one that comes with Govor.

    `path` may also be the name of a shipped model: ``small`` or ``seed``. `threads` is how many processor
    threads the network may use. Raises ModelNotFoundError if there is no such
    file, ModelError if it is corrupt, of another format version, or no model of Govor.
    """
    return Recognizer(load_onnx_model(path, threads))
