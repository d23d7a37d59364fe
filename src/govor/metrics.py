"""Word and character error rates, pooled over utterances, with intervals and a table by speaker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govor.errors import ManifestError
from govor.language import tr

NUM_RESAMPLES = 1000


@dataclass(frozen=True)
class ErrorRate:
    """Errors counted over all utterances together: (S + D + I) / (S + D + hits)."""

    rate: float
    interval: tuple[float, float]
    """95 % bootstrap interval over utterances."""
    substitutions: int
    deletions: int
    insertions: int
    hits: int
    utterance_errors: tuple[int, ...]
    utterance_lengths: tuple[int, ...]
    """Words or characters of each reference."""

    @property
    def num_reference(self) -> int:
        """Words or characters in all references."""
        return self.substitutions + self.deletions + self.hits


@dataclass(frozen=True)
class SpeakerScore:
    """One speaker's row of the table."""

    speaker: str
    num_utterances: int
    num_words: int
    wer: float
    cer: float


@dataclass(frozen=True)
class Scores:
    """All figures of a set of reference and hypothesis texts."""

    words: ErrorRate
    characters: ErrorRate
    wer_yo: float
    """WER with ё taken for е."""
    cer_yo: float
    speakers: tuple[SpeakerScore, ...]
    """Worst first; empty if no speakers were given."""


def error_rate(
    references: Sequence[str], hypotheses: Sequence[str], unit: str = "word", seed: int = 1
) -> ErrorRate:
    """Count errors between texts in pairs with jiwer; `unit` is ``word`` or ``character`` (with spaces).

    Raises ManifestError if there is nothing in the references, ValueError for lists of unequal length.
    """
    import jiwer

    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references, {len(hypotheses)} hypotheses")
    if not any(text.strip() for text in references):
        raise ManifestError(tr("в эталонных текстах нет слов", "the reference texts hold no words"))
    process: Any = jiwer.process_words if unit == "word" else jiwer.process_characters
    output = process(list(references), list(hypotheses))
    errors = np.array([_count_errors(chunks) for chunks in output.alignments])
    lengths = np.array([len(reference) for reference in output.references])
    return ErrorRate(
        rate=float(errors.sum() / lengths.sum()),
        interval=bootstrap_interval(errors, lengths, seed),
        substitutions=output.substitutions,
        deletions=output.deletions,
        insertions=output.insertions,
        hits=output.hits,
        utterance_errors=tuple(errors.tolist()),
        utterance_lengths=tuple(lengths.tolist()),
    )


def _count_errors(chunks: Sequence[Any]) -> int:
    return sum(
        max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
        for chunk in chunks
        if chunk.type != "equal"
    )


def bootstrap_interval(
    errors: NDArray[np.int64], lengths: NDArray[np.int64], seed: int = 1
) -> tuple[float, float]:
    """Return the 95 % percentile interval of sum(errors) / sum(lengths) over resampled utterances.

    Bisani & Ney, ICASSP 2004. Utterances of one speaker are taken as independent, so it is somewhat narrow.
    """
    generator = np.random.default_rng(seed)
    rates = []
    # A tenth at a time, as the table of all choices would be large for a large corpus.
    for _ in range(10):
        chosen = generator.integers(len(errors), size=(NUM_RESAMPLES // 10, len(errors)))
        rates.append(errors[chosen].sum(axis=1) / np.maximum(lengths[chosen].sum(axis=1), 1))
    low, high = np.quantile(rates, (0.025, 0.975))
    return float(low), float(high)


def score(references: Sequence[str], hypotheses: Sequence[str], speakers: Sequence[str] = ()) -> Scores:
    """Compute all figures. `speakers`, if given, names the speaker of each pair; "" is left out."""
    words = error_rate(references, hypotheses, "word")
    characters = error_rate(references, hypotheses, "character")
    flat_references = [text.replace("ё", "е") for text in references]
    flat_hypotheses = [text.replace("ё", "е") for text in hypotheses]
    return Scores(
        words=words,
        characters=characters,
        wer_yo=error_rate(flat_references, flat_hypotheses, "word").rate,
        cer_yo=error_rate(flat_references, flat_hypotheses, "character").rate,
        speakers=_speaker_table(words, characters, speakers),
    )


def _speaker_table(
    words: ErrorRate, characters: ErrorRate, speakers: Sequence[str]
) -> tuple[SpeakerScore, ...]:
    if speakers and len(speakers) != len(words.utterance_errors):
        raise ValueError(f"{len(speakers)} speakers, {len(words.utterance_errors)} utterances")
    rows: dict[str, list[int]] = {}
    for i, speaker in enumerate(speakers):
        if speaker:
            rows.setdefault(speaker, []).append(i)

    def rate(counted: ErrorRate, rows: list[int]) -> float:
        length = sum(counted.utterance_lengths[i] for i in rows)
        return sum(counted.utterance_errors[i] for i in rows) / max(length, 1)

    table = [
        SpeakerScore(
            speaker,
            len(rows),
            sum(words.utterance_lengths[i] for i in rows),
            rate(words, rows),
            rate(characters, rows),
        )
        for speaker, rows in rows.items()
    ]
    return tuple(sorted(table, key=lambda row: (-row.wer, row.speaker)))


def aligned_lines(reference: str, hypothesis: str) -> tuple[str, str]:
    """Set two texts under each other word by word, wrong words in capitals, ``*`` where a word is missing.

    ``("мама МЫЛА раму", "мама ***  раму")``: both lines have the same length.
    """
    import jiwer

    output = jiwer.process_words([reference], [hypothesis])
    columns: list[tuple[str, str]] = []
    for chunk in output.alignments[0]:
        spoken = output.references[0][chunk.ref_start_idx : chunk.ref_end_idx]
        heard = output.hypotheses[0][chunk.hyp_start_idx : chunk.hyp_end_idx]
        for i in range(max(len(spoken), len(heard))):
            pair = (spoken[i] if i < len(spoken) else "***", heard[i] if i < len(heard) else "***")
            columns.append(pair if chunk.type == "equal" else (pair[0].upper(), pair[1].upper()))
    widths = [max(len(a), len(b)) for a, b in columns]
    return (
        " ".join(a.ljust(width) for (a, _), width in zip(columns, widths, strict=True)),
        " ".join(b.ljust(width) for (_, b), width in zip(columns, widths, strict=True)),
    )
