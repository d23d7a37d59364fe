"""Who speaks in a corpus: gender, age, dialect and minutes of every speaker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TextIO

from govor.corpora.submission import Readme
from govor.manifest import Utterance

COLUMNS = ("speaker", "gender", "age", "dialect", "microphone", "submissions", "utterances", "minutes")


@dataclass
class _Row:
    fields: dict[str, Counter[str]] = field(default_factory=dict)
    num_submissions: int = 0
    num_utterances: int = 0
    seconds: float = 0.0


class SpeakerTable:
    """Adds up submissions by speaker; where they disagree on a field, the commonest value counts."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}

    def __len__(self) -> int:
        return sum(row.num_utterances > 0 for row in self._rows.values())

    def add(self, speaker: str, readme: Readme, utterances: Iterable[Utterance]) -> None:
        """Add one submission of a speaker."""
        row = self._rows.setdefault(speaker, _Row())
        row.num_submissions += 1
        for utterance in utterances:
            row.num_utterances += 1
            row.seconds += utterance.duration
        for name in ("gender", "age", "dialect", "microphone"):
            value = getattr(readme, name)
            if value:
                row.fields.setdefault(name, Counter())[value] += 1

    def write(self, stream: TextIO) -> None:
        """Write `COLUMNS` parted by tabs, speakers with something usable only, most minutes first."""
        stream.write("\t".join(COLUMNS) + "\n")
        rows = [(speaker, row) for speaker, row in self._rows.items() if row.num_utterances]
        for speaker, row in sorted(rows, key=lambda pair: (-pair[1].seconds, pair[0])):
            common = [
                row.fields[name].most_common(1)[0][0] if name in row.fields else ""
                for name in ("gender", "age", "dialect", "microphone")
            ]
            counts = [str(row.num_submissions), str(row.num_utterances), f"{row.seconds / 60:.2f}"]
            stream.write("\t".join([speaker, *common, *counts]) + "\n")
