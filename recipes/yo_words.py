"""Make the list of words that are always written with ё, for `govor.text.finishing`.

    npm pack eyo-kernel@4.0.1 && tar xf eyo-kernel-4.0.1.tgz
    python recipes/yo_words.py package/dictionary/safe.txt ../shared/data/text/*.txt.xz \
        --output src/govor/data/yo_words.txt

eyo-kernel (MIT, Denis Seleznev) lists the words that cannot be meant without ё, so «все» and «небо» are not
among them. Of its 100,000 those stay that occur in the texts, in either spelling: a tenth of the size, nearly
all the use.
"""

from __future__ import annotations

import argparse
import lzma
import re
from pathlib import Path

from govor.text.alphabet import normalize

HEADER = """\
# Words always written with ё: those of eyo-kernel 4.0.1 that occur in the texts of the language model.
# Made by recipes/yo_words.py. MIT License, Copyright (c) 2025 Denis Seleznev (LICENSES/MIT-eyo-kernel.txt).
"""


def expand(line: str) -> list[str]:
    """Expand one line of the dictionary: ``весёл(ый|ая)`` is two words."""
    match = re.fullmatch(r"([^()]*)\(([^()]*)\)", line)
    return [match[1] + ending for ending in match[2].split("|")] if match else [line]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dictionary", type=Path)
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    known = {
        word.lower()
        for line in arguments.dictionary.read_text(encoding="utf-8").split()
        for word in expand(line)
        # Capitals are names; «_» marks what is safe only before a capital.
        if "ё" in word and word == word.lower() and normalize(word) == word
    }
    plain: dict[str, set[str]] = {}
    for word in known:
        plain.setdefault(word.replace("ё", "е"), set()).add(word)
    unique = {key: spellings.pop() for key, spellings in plain.items() if len(spellings) == 1}
    seen: set[str] = set()
    for path in arguments.texts:
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                seen.update(normalize(line).replace("ё", "е").split())
    words = sorted(unique[key] for key in unique.keys() & seen)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(HEADER + "\n".join(words) + "\n", encoding="utf-8")
    print(f"{len(words)} of {len(known)} words")


if __name__ == "__main__":
    main()
