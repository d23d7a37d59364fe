"""Likelihood of all texts at once under the network and a letter trigram: the denominator of CTC-CRF (torch).

CTC alone also learns which letters follow which in the training texts. Divided by the likelihood of every
possible text, each weighted by how probable it is as Russian, the network need not know texts by heart: what
the letter model knows already earns nothing (Xiang & Ou, "CRF-based single-stage acoustic modeling with CTC
topology", ICASSP 2019).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from govor.config import Config
from govor.text.alphabet import Alphabet


class LetterTrigram:
    """Probabilities of letters after two letters, the space counted as one.

    A text begins after two spaces and ends before a space.
    """

    def __init__(self, texts: Iterable[str], alphabet: Alphabet) -> None:
        """Count the texts; letters of `alphabet` without the blank, K of them."""
        self.space = alphabet.encode(" ")[0] - 1
        num_letters = len(alphabet) - 1
        counts = torch.zeros(num_letters**3, dtype=torch.float64)
        for text in texts:
            letters = [self.space, self.space, *(label - 1 for label in alphabet.encode(text)), self.space]
            codes = [
                (first * num_letters + second) * num_letters + third
                for first, second, third in zip(letters, letters[1:], letters[2:], strict=False)
            ]
            counts.index_add_(0, torch.tensor(codes), torch.ones(len(codes), dtype=torch.float64))
        trigrams = counts.view(num_letters, num_letters, num_letters)
        # Witten-Bell smoothing: what was rarely seen leans on the shorter history.
        history: Tensor = torch.full((num_letters,), 1.0 / num_letters, dtype=torch.float64)
        for seen in (trigrams.sum((0, 1)), trigrams.sum(0), trigrams):
            # A history never seen has one imaginary kind, which leaves the shorter one as it is.
            kinds = (seen > 0).sum(-1, keepdim=True).clamp(min=1)
            history = (seen + kinds * history) / (seen.sum(-1, keepdim=True) + kinds)
        self.probabilities = history.float()
        """(K, K, K) float32: [a, b, c] is the probability of c after a, b."""


class Denominator:
    """Sums the likelihoods of all texts with a dense forward-backward over pairs of letters."""

    def __init__(self, trigram: LetterTrigram, weight: float = 1.0) -> None:
        self.weight = weight
        """Share of it in the loss, 0 to 1."""
        self.space = trigram.space
        # Newest letter of the history first: (b, a, c) makes a step one batched product over b.
        by_newest = trigram.probabilities.permute(1, 0, 2).contiguous()
        self.repeats = by_newest.diagonal(dim1=0, dim2=2).T.contiguous()
        """(b, a): probability of b once more, for which CTC wants a blank between."""
        self.entering = by_newest.clone()
        self.entering.diagonal(dim1=0, dim2=2).zero_()
        """(b, a, c): probability of another letter."""
        self.leaving = by_newest[:, :, self.space].contiguous()
        """(b, a): probability that the text ends."""

    def to(self, device: torch.device) -> Denominator:
        """Move its tables to a device; return itself."""
        for name in ("repeats", "entering", "leaving"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def __call__(self, log_probs: Tensor, lengths: Tensor) -> Tensor:
        """Return the log-likelihood (B,) of all texts together, nats, at most 0.

        `log_probs` (T, B, V) float32 with the blank first, normalised; `lengths` (B,) frames.
        """
        result: Tensor = _LogLikelihood.apply(log_probs, lengths, self)  # type: ignore[no-untyped-call]
        return result


def denominator_of(config: Config, texts: Iterable[str], alphabet: Alphabet) -> Denominator | None:
    """Return the denominator that a training wants, each different text counted once; None without one."""
    weight = config.training.denominator
    if not config.network.search_output or not weight:
        return None
    return Denominator(LetterTrigram(dict.fromkeys(texts), alphabet), weight)


class _LogLikelihood(torch.autograd.Function):
    """States are (newest letter, B, letter before it), once in the letter and once in a blank behind it."""

    @staticmethod
    def forward(ctx: Any, log_probs: Tensor, lengths: Tensor, graph: Denominator) -> Tensor:
        probs = log_probs.detach().exp()
        num_frames, num_utterances, num_symbols = probs.shape
        beyond = torch.arange(num_frames, device=probs.device)[:, None] >= lengths[None, :]
        # Behind its end an utterance hears a sure blank, which changes nothing.
        probs[beyond] = 0.0
        probs[..., 0][beyond] = 1.0
        letters = probs[..., 1:].transpose(1, 2)[..., None].contiguous()
        blanks = probs[..., 0][:, None, :, None].contiguous()
        size = num_symbols - 1
        in_letter = probs.new_zeros(size, num_utterances, size)
        in_blank = torch.zeros_like(in_letter)
        in_blank[graph.space, :, graph.space] = 1.0
        states = probs.new_empty(num_frames, 2, size, num_utterances, size)
        repeats = graph.repeats[:, None, :]
        total = probs.new_zeros(num_utterances)
        for frame in range(num_frames):
            either = in_letter + in_blank
            entered = torch.bmm(either, graph.entering)
            entered.diagonal(dim1=0, dim2=2).copy_((in_blank * repeats).sum(2).T)
            new = states[frame]
            torch.add(entered.permute(2, 1, 0), in_letter, out=new[0])
            new[0].mul_(letters[frame])
            torch.mul(either, blanks[frame], out=new[1])
            scale = new.sum((0, 1, 3)).clamp_(min=1e-30)
            new.div_(scale[None, None, :, None])
            total += scale.log()
            in_letter, in_blank = new[0], new[1]
        ends = ((in_letter + in_blank) * graph.leaving[:, None, :]).sum((0, 2))
        ctx.save_for_backward(letters, blanks, states, beyond)
        ctx.graph = graph
        return total + ends.clamp(min=1e-30).log()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        letters, blanks, states, beyond = ctx.saved_tensors
        graph: Denominator = ctx.graph
        num_frames, _, size, num_utterances, _ = states.shape
        occupied = letters.new_zeros(num_frames, num_utterances, size + 1)
        # (b, c, a) for the way back.
        entering = graph.entering.transpose(1, 2).contiguous()
        repeats = graph.repeats[:, None, :]
        from_letter = graph.leaving[:, None, :].expand(size, num_utterances, size)
        from_blank = from_letter
        for frame in range(num_frames - 1, -1, -1):
            occupied[frame, :, 1:] = (states[frame, 0] * from_letter).sum(2).T
            occupied[frame, :, 0] = (states[frame, 1] * from_blank).sum((0, 2))
            by_letter = from_letter * letters[frame]
            by_blank = from_blank * blanks[frame]
            onward = torch.bmm(by_letter.permute(2, 1, 0), entering).add_(by_blank)
            again = by_letter.diagonal(dim1=0, dim2=2).T[:, :, None] * repeats
            from_letter = by_letter.add_(onward)
            from_blank = again.add_(onward)
            # Only the ratios within a frame matter.
            scale = torch.maximum(from_letter, from_blank).amax((0, 2), keepdim=True).clamp_(min=1e-30)
            from_letter.div_(scale)
            from_blank.div_(scale)
        occupied /= occupied.sum(2, keepdim=True).clamp_(min=1e-30)
        occupied[beyond] = 0.0
        return occupied * gradients[0][None, :, None], None, None
