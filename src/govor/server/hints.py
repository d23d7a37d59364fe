"""From the free text of a prompt to hot words."""

from __future__ import annotations

import re

from govor.server.state import MAX_HOTWORDS
from govor.text.alphabet import is_speakable, normalize

# Shorter words of a sentence are mostly the glue of any sentence; favouring them helps nobody.
_SHORTEST = 5
_LONGEST_TERM = 3


def hotwords_from_prompt(prompt: str) -> tuple[str, ...]:
    """Return the terms of a prompt: between commas or full stops up to three words are one, as they stand.

    Of longer sentences it is the words of five letters and more. What has no Russian spelling is left out:
    the prompt was written for a recogniser that could have used it.
    """
    found: dict[str, None] = {}
    for term in re.split(r"[,;:.!?\n]", prompt):
        words = term.split()
        parts = [term.strip()] if len(words) <= _LONGEST_TERM else words
        for part in parts:
            if not part or not is_speakable(part):
                continue
            normal = normalize(part)
            if normal and (len(words) <= _LONGEST_TERM or len(normal) >= _SHORTEST):
                found.setdefault(normal)
    return tuple(found)[:MAX_HOTWORDS]
