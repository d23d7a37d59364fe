"""From sentences to a finished model: count, smooth, prune."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from govor.errors import ConfigError
from govor.language import tr
from govor.language_model.counting import Counter, Counts
from govor.language_model.estimation import estimate
from govor.language_model.ngrams import MAX_ORDER, NgramModel
from govor.language_model.pruning import prune


def build(
    sentences: Iterable[Sequence[str]],
    *,
    order: int = 3,
    min_count: int = 1,
    max_words: int | None = None,
    threshold: float = 0.0,
) -> NgramModel:
    """Make a model of `order` 2 or 3 from sentences, each a sequence of words.

    Words rarer than `min_count`, or beyond the `max_words` most frequent, become ``<unk>``; n-grams without
    which the perplexity grows by less than `threshold` are left out. Raises ConfigError for a number out of
    range.
    """
    if not 2 <= order <= MAX_ORDER:
        raise ConfigError(
            tr(f"порядок {order}: нужно от 2 до {MAX_ORDER}", f"order {order}: must be 2 to {MAX_ORDER}")
        )
    counter = Counter(order)
    for words in sentences:
        counter.add(words)
    return model_from_counts(counter.finish(min_count, max_words), threshold)


def model_from_counts(counts: Counts, threshold: float = 0.0) -> NgramModel:
    """Smooth and prune. Raises ConfigError if the threshold is out of range."""
    check_threshold(threshold)
    return prune(estimate(counts), threshold)


def check_threshold(threshold: float) -> None:
    """Raise ConfigError unless `threshold` is one that pruning can use."""
    if not 0 <= threshold < 1:
        raise ConfigError(
            tr(
                f"порог отсечения {threshold}: нужно от 0 до 1",
                f"pruning threshold {threshold}: must lie between 0 and 1",
            )
        )
