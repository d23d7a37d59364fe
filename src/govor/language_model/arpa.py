"""ARPA files: the text form of back-off models that every toolkit reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from govor.language_model.ngrams import WORD_BITS, NgramModel, last_word_of


def write_arpa(model: NgramModel, path: Path) -> None:
    """Write the model with 7 digits after the point, as SRILM does.

    Raises ConfigError for a model of single words only.
    """
    model = model.shortened()
    with path.open("w", encoding="utf-8") as stream:
        stream.write("\\data\\\n")
        stream.writelines(f"ngram {order}={count}\n" for order, count in enumerate(model.counts, start=1))
        for order, grams in enumerate(model.grams, start=1):
            stream.write(f"\n\\{order}-grams:\n")
            columns = [
                last_word_of(grams.keys >> np.uint64(WORD_BITS * place)).tolist()
                for place in reversed(range(order))
            ]
            rows = zip(grams.log_probs.tolist(), grams.backoffs.tolist(), *columns, strict=True)
            for log_prob, backoff, *ids in rows:
                words = " ".join(model.words[word] for word in ids)
                tail = f"\t{backoff:.7f}" if order < model.order else ""
                stream.write(f"{log_prob:.7f}\t{words}{tail}\n")
        stream.write("\n\\end\\\n")
