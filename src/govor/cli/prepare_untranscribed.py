"""``govor prepare untranscribed``: recordings without text become training data by what a model hears."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govor.cli.console import ExitCode, Terminal
from govor.cli.options import Model, Quiet, example
from govor.errors import GovorError, InputNotFoundError, system_error_text
from govor.language import tr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from govor.manifest import Utterance
    from govor.recognizer import Recognizer

HELP = example(
    "Сделать обучающие фразы из записей без текста: модель слушает сама и оставляет то, в чём уверена.",
    "Make training utterances of recordings without text: a model listens and keeps what it is sure of.",
    "govor prepare untranscribed lectures --output data/lectures --min-confidence 0.8",
)
FEATURE_SUFFIXES = (".mfc", ".npy")


def untranscribed(
    recordings: Annotated[
        list[str],
        typer.Argument(
            help=tr(
                "Записи или готовые признаки (.mfc, .npy), файлы и папки.",
                "Recordings or ready features (.mfc, .npy), files and folders.",
            )
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help=tr("Папка корпуса.", "Folder of the corpus."))
    ],
    model: Model = None,
    min_confidence: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help=tr(
                "Средняя уверенность в словах, с которой фраза остаётся.",
                "Mean confidence of the words with which an utterance is kept.",
            ),
        ),
    ] = 0.75,
    quiet: Quiet = False,
) -> int:
    """Make training utterances of recordings without text."""
    from govor.manifest import write_manifest
    from govor.recognizer import load_model

    terminal = Terminal(quiet)
    found, errors = _find(recordings)
    for error in errors:
        terminal.fail(error)
    if not found:
        raise InputNotFoundError(tr("записей нет", "there are no recordings"))
    recognizer = load_model(model)
    shift = recognizer.model.config.features.frame_shift
    folder = output / "features"
    folder.mkdir(parents=True, exist_ok=True)
    num_failed, heard, kept = len(errors), 0.0, 0.0
    utterances: list[Utterance] = []
    with terminal.progress(tr("слушаю", "listening")) as update:
        for number, path in enumerate(found):
            update(number, len(found))
            try:
                values, damage = _features(path, recognizer)
                for line in damage:
                    num_failed += 1
                    terminal.fail_at(str(path), line)
                heard += len(values) * shift
                name = f"{number:05d}-{path.stem}"
                for utterance in _keep(path, name, values, recognizer, min_confidence, folder):
                    kept += utterance.duration
                    utterances.append(utterance)
            # A broken recording must not cost the others.
            except (GovorError, OSError) as error:
                num_failed += 1
                terminal.fail_at(
                    str(path), system_error_text(error) if isinstance(error, OSError) else str(error)
                )
        update(len(found), len(found))
    write_manifest(output / "manifest.jsonl", utterances)
    terminal.say(
        tr(
            f"{output / 'manifest.jsonl'}: фраз {len(utterances)}, часов {kept / 3600:.2f} "
            f"из {heard / 3600:.2f}; тексты писала модель, ошибки в них есть",
            f"{output / 'manifest.jsonl'}: {len(utterances)} utterances, {kept / 3600:.2f} h "
            f"of {heard / 3600:.2f}; a model wrote the texts, and there are errors in them",
        )
    )
    return ExitCode.SOME_FAILED if num_failed else ExitCode.FINE


def _find(arguments: list[str]) -> tuple[list[Path], list[str]]:
    from govor.inputs import find_recordings

    found: list[Path] = []
    errors: list[str] = []
    for argument in arguments:
        ready = [path for path in sorted(Path(argument).rglob("*")) if path.suffix in FEATURE_SUFFIXES]
        if ready:
            found += ready
            continue
        inputs = find_recordings([argument], unique=True)
        found += [Path(recording.source) for recording in inputs.recordings]
        errors += inputs.errors
    return list(dict.fromkeys(found)), errors


def _features(path: Path, recognizer: Recognizer) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Return the features of a recording, and a line for each damage to it: what is left can be heard."""
    from govor.audio.loading import load_audio
    from govor.evaluation import load_checked_features
    from govor.features import extract

    config = recognizer.model.config.features
    if path.suffix in FEATURE_SUFFIXES:
        return load_checked_features(path, recognizer), ()
    waveform = load_audio(path, config.sample_rate)
    return extract(waveform.samples, config).values, waveform.warnings


def _keep(
    path: Path,
    name: str,
    values: NDArray[np.float32],
    recognizer: Recognizer,
    min_confidence: float,
    folder: Path,
) -> Iterator[Utterance]:
    from govor.features import save_mfc
    from govor.manifest import Utterance
    from govor.self_training import trust

    shift = recognizer.model.config.features.frame_shift
    for number, run in enumerate(trust(recognizer, values, min_confidence)):
        target = folder / f"{name}-{number:04d}.mfc"
        save_mfc(target, run.values)
        yield Utterance(
            target.stem,
            len(run.values) * shift,
            run.text,
            # One person reads a recording; whoever it is.
            speaker=path.stem,
            features=target,
            cuts=run.cuts,
        )
