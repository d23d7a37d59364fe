"""From the options on decoding, which several commands have, to a decoder."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, get_type_hints

from govor.cli import options
from govor.cli.options import DecoderName
from govor.errors import ConfigError
from govor.language import tr

if TYPE_CHECKING:
    from govor.decoding.greedy import Decoder
    from govor.recognizer import Recognizer

Command: TypeAlias = Callable[..., int]


@dataclass(frozen=True)
class DecoderChoice:
    """What the user said about decoding; None is: nothing. Each field is an option of the command line."""

    decoder: options.Decoder = DecoderName.auto
    lm: options.LanguageModel = None
    no_lm: options.NoLanguageModel = False
    mix: options.Mix = None
    hotwords: options.HotWords = None
    hotword_weight: options.HotWordWeight = None
    alternatives: options.Alternatives = 1
    beam_width: options.BeamWidth = None
    alpha: options.Alpha = None
    beta: options.Beta = None
    phrases: options.Phrases = None
    false_accepts: options.FalseAccepts = None

    def make(self, recognizer: Recognizer) -> str | Decoder:
        """Return what `Recognizer.transcribe` takes. Raises ConfigError if the options contradict."""
        if self.lm is not None and self.no_lm:
            raise ConfigError(tr("--lm и --no-lm вместе", "--lm and --no-lm together"))
        if self.mix and self.no_lm:
            raise ConfigError(tr("--mix и --no-lm вместе", "--mix and --no-lm together"))
        special = self._special()
        if self.phrases is not None:
            return self._phrase_decoder(self.phrases, special, recognizer)
        if self.false_accepts is not None:
            raise ConfigError(tr("--false-accepts без --phrases", "--false-accepts without --phrases"))
        if self.hotword_weight is not None and self.hotwords is None:
            raise ConfigError(tr("--hotword-weight без --hotwords", "--hotword-weight without --hotwords"))
        if not special:
            return self.decoder.value
        self._refuse_greedy(special)
        return recognizer.beam_decoder(
            self._language_model_file(recognizer.shipped_language_model()),
            hotwords=[] if self.hotwords is None else self.hotwords.split(","),
            num_alternatives=self.alternatives,
            hotword_weight=self.hotword_weight,
            beam_width=self.beam_width,
            alpha=self.alpha,
            beta=self.beta,
        )

    def own_language_model(self) -> Path | None:
        """Return the file of ``--lm`` and ``--mix``, None if neither was given. Raises as `make` does."""
        if self.lm is None and not self.mix:
            return None
        self._refuse_greedy(self._special())
        from govor.decoding.beam import shipped_language_model

        return self._language_model_file(shipped_language_model())

    def _refuse_greedy(self, special: list[str]) -> None:
        if self.decoder is DecoderName.greedy:
            raise ConfigError(
                tr(
                    f"{special[0]} требует лучевого поиска: уберите --decoder greedy",
                    f"{special[0]} needs the beam search: leave out --decoder greedy",
                )
            )

    def _language_model_file(self, shipped: Path | None) -> Path | None:
        from govor.decoding.beam import named_language_model

        if self.no_lm:
            return None
        named = self.lm
        found = shipped if named is None else named_language_model(named)
        if not self.mix:
            return found
        from govor.language_model import mixture_file, parse_share

        others = [parse_share(item) for item in self.mix]
        if found is None:
            raise ConfigError(tr("--mix без ru.klm: укажите --lm", "--mix without ru.klm: give --lm"))
        return mixture_file(found, [(named_language_model(path), share) for path, share in others])

    def _phrase_decoder(self, path: Path, special: list[str], recognizer: Recognizer) -> Decoder:
        from govor.phrases.decoder import PhraseDecoder
        from govor.phrases.patterns import read_phrases
        from govor.phrases.thresholds import model_thresholds

        if special or self.decoder is not DecoderName.auto:
            other = special[0] if special else f"--decoder {self.decoder.value}"
            raise ConfigError(
                tr(
                    f"--phrases и {other} вместе: список фраз обходится без {other}",
                    f"--phrases and {other} together: a phrase list does without {other}",
                )
            )
        model = recognizer.model
        rate = 0.03 if self.false_accepts is None else self.false_accepts
        return PhraseDecoder(
            read_phrases(path),
            model.alphabet,
            false_accepts=rate,
            thresholds=model_thresholds(model.decoding),
        )

    def _special(self) -> list[str]:
        """Return the options that only the beam search knows and that were given."""
        given = {
            "--lm": self.lm,
            "--no-lm": self.no_lm or None,
            "--mix": self.mix or None,
            "--hotwords": self.hotwords,
            "--hotword-weight": self.hotword_weight,
            "--alternatives": None if self.alternatives == 1 else self.alternatives,
            "--beam-width": self.beam_width,
            "--alpha": self.alpha,
            "--beta": self.beta,
        }
        return [name for name, value in given.items() if value is not None]


def decoder_options(*without: str) -> Callable[[Command], Command]:
    """Give a command the fields of its parameter ``choice: DecoderChoice`` as options, but for those named.

    typer reads a command's options off its signature, so that gets them in the place of ``choice``.
    """

    def decorate(command: Command) -> Command:
        hints = get_type_hints(DecoderChoice, include_extras=True)
        chosen = {
            field.name: inspect.Parameter(
                field.name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=field.default,
                annotation=hints[field.name],
            )
            for field in fields(DecoderChoice)
            if field.name not in without
        }
        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            parameters += chosen.values() if parameter.name == "choice" else [parameter]

        def run(**given: Any) -> int:
            choice = DecoderChoice(**{name: given.pop(name) for name in chosen})
            return command(**given, choice=choice)

        run.__doc__ = command.__doc__
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate
