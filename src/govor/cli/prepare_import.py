"""``govor prepare common-voice|golos|open-stt|folder|kaldi|lhotse|nemo``: other people's corpora."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govor.cli.console import ExitCode, Terminal
from govor.cli.dropped_rows import show_dropped
from govor.cli.options import Quiet, example, letters_of_a_language
from govor.language import tr
from govor.text.alphabet import RUSSIAN_LETTERS

if TYPE_CHECKING:
    from govor.corpora.importing import Corpus, Imported

_OUTPUT = tr("Папка манифестов.", "Folder of manifests.")
Output = Annotated[Path, typer.Option("--output", "-o", help=_OUTPUT)]
Seed = Annotated[
    int,
    typer.Option(help=tr("Зерно разбиения на части.", "Seed of the choice of held-out speakers and texts.")),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help=tr(
            "Верить длительностям корпуса и не открывать записи (быстро).",
            "Believe the corpus about durations and open no recording (quick).",
        ),
    ),
]

Letters = Annotated[
    str,
    typer.Option(
        show_default=False,
        callback=letters_of_a_language,
        help=tr(
            "Буквы другого языка одной строкой; без него русские.",
            "Letters of another language in one string; Russian ones by default.",
        ),
    ),
]

COMMON_VOICE_HELP = example(
    "Прочитать Mozilla Common Voice: ru/validated.tsv и ru/clips/*.mp3. Части dev и test берутся из корпуса.",
    "Read Mozilla Common Voice: ru/validated.tsv and ru/clips/*.mp3. The corpus's own dev and test are kept.",
    "govor prepare common-voice cv-corpus/ru --output data/cv",
)
GOLOS_HELP = example(
    "Прочитать Golos: train/manifest.jsonl, test/…/manifest.jsonl и записи. Тест остаётся тестом.",
    "Read Golos: train/manifest.jsonl, test/…/manifest.jsonl and recordings. Its test stays a test.",
    "govor prepare golos golos --output data/golos",
)
OPEN_STT_HELP = example(
    "Прочитать Open STT: манифест .csv рядом с папками .opus, .mp3 или .wav и .txt.",
    "Read Open STT: a .csv manifest beside folders of .opus, .mp3 or .wav and .txt.",
    "govor prepare open-stt open_stt/public_youtube700.csv --output data/youtube",
)
FOLDER_HELP = example(
    "Прочитать папку: к каждой записи ИМЯ.wav (mp3, ogg, …) текст ИМЯ.txt. Папка внутри — голос.",
    "Read a folder: for each recording NAME.wav (mp3, ogg, …) a text NAME.txt. A folder inside is a speaker.",
    "govor prepare folder записи --output data/own",
)
KALDI_HELP = example(
    "Прочитать каталог Kaldi: wav.scp, text, utt2spk, segments. Куски записей вырезаются в clips/.",
    "Read a Kaldi directory: wav.scp, text, utt2spk, segments. Pieces of recordings are cut out into clips/.",
    "govor prepare kaldi data/train --output data/from-kaldi",
)
LHOTSE_HELP = example(
    "Прочитать lhotse: cuts.jsonl.gz или recordings.jsonl.gz и supervisions.jsonl.gz.",
    "Read lhotse: cuts.jsonl.gz, or recordings.jsonl.gz and supervisions.jsonl.gz.",
    "govor prepare lhotse manifests --output data/from-lhotse",
)

NEMO_HELP = example(
    "Прочитать манифесты NVIDIA NeMo: audio_filepath, text, duration, offset. Куски вырезаются в clips/.",
    "Read manifests of NVIDIA NeMo: audio_filepath, text, duration, offset. Pieces are cut out into clips/.",
    "govor prepare nemo manifest.json --output data/from-nemo",
)


def register(app: typer.Typer) -> None:
    """Add the commands of this module to ``govor prepare``."""
    app.command("common-voice", help=COMMON_VOICE_HELP)(common_voice)
    app.command("golos", help=GOLOS_HELP)(golos)
    app.command("open-stt", help=OPEN_STT_HELP)(open_stt)
    app.command("folder", help=FOLDER_HELP)(folder)
    app.command("kaldi", help=KALDI_HELP)(kaldi)
    app.command("lhotse", help=LHOTSE_HELP)(lhotse)
    app.command("nemo", help=NEMO_HELP)(nemo)


def common_voice(
    corpus: Annotated[Path, typer.Argument(help=tr("Папка ru выпуска.", "Folder ru of a release."))],
    output: Output,
    index: Annotated[
        str,
        typer.Option(
            help=tr("Какой список читать: validated, train, other…", "List: validated, train, other…")
        ),
    ] = "validated",
    trust: Trust = False,
    seed: Seed = 1,
    letters: Letters = RUSSIAN_LETTERS,
    quiet: Quiet = False,
) -> int:
    """Import Mozilla Common Voice."""
    from govor.corpora.common_voice import read_common_voice

    return _import(read_common_voice(corpus, index), output, seed, trust, letters, quiet)


def golos(
    corpus: Annotated[Path, typer.Argument(help=tr("Папка или файл JSONL.", "Folder or a JSONL file."))],
    output: Output,
    trust: Trust = False,
    seed: Seed = 1,
    letters: Letters = RUSSIAN_LETTERS,
    quiet: Quiet = False,
) -> int:
    """Import Golos."""
    from govor.corpora.golos import read_golos

    return _import(read_golos(corpus), output, seed, trust, letters, quiet)


def open_stt(
    corpus: Annotated[
        Path, typer.Argument(help=tr("Файл CSV или папка с ними.", "CSV file or folder of them."))
    ],
    output: Output,
    trust: Trust = False,
    seed: Seed = 1,
    letters: Letters = RUSSIAN_LETTERS,
    quiet: Quiet = False,
) -> int:
    """Import Open STT."""
    from govor.corpora.open_stt import read_open_stt

    return _import(read_open_stt(corpus), output, seed, trust, letters, quiet)


def folder(
    corpus: Annotated[
        Path, typer.Argument(help=tr("Папка записей и текстов.", "Folder of recordings and texts."))
    ],
    output: Output,
    speakers: Annotated[
        bool,
        typer.Option(help=tr("Вложенные папки — это голоса.", "Folders inside are speakers.")),
    ] = True,
    seed: Seed = 1,
    letters: Letters = RUSSIAN_LETTERS,
    quiet: Quiet = False,
) -> int:
    """Import a plain folder."""
    from govor.corpora.folder import read_folder

    return _import(read_folder(corpus, speakers), output, seed, False, letters, quiet)


def kaldi(
    corpus: Annotated[Path, typer.Argument(help=tr("Каталог с wav.scp.", "Directory with wav.scp."))],
    output: Output,
    trust: Trust = False,
    seed: Seed = 1,
    letters: Letters = RUSSIAN_LETTERS,
    quiet: Quiet = False,
) -> int:
    """Import a Kaldi data directory."""
    from govor.corpora.kaldi import read_kaldi

    return _import(read_kaldi(corpus), output, seed, trust, letters, quiet)


def lhotse(
    corpus: Annotated[
        Path,
        typer.Argument(help=tr("Папка манифестов или файл cuts.", "Folder of manifests or file of cuts.")),
    ],
    output: Output,
    trust: Trust = False,
    seed: Seed = 1,
    letters: Letters = RUSSIAN_LETTERS,
    quiet: Quiet = False,
) -> int:
    """Import lhotse manifests."""
    from govor.corpora.lhotse import read_lhotse

    return _import(read_lhotse(corpus), output, seed, trust, letters, quiet)


def nemo(
    corpus: Annotated[
        Path, typer.Argument(help=tr("Манифест или папка с ними.", "Manifest or folder of them."))
    ],
    output: Output,
    trust: Trust = False,
    seed: Seed = 1,
    letters: Letters = RUSSIAN_LETTERS,
    quiet: Quiet = False,
) -> int:
    """Import manifests of NVIDIA NeMo."""
    from govor.corpora.nemo import read_nemo

    return _import(read_nemo(corpus), output, seed, trust, letters, quiet)


def _import(corpus: Corpus, output: Path, seed: int, trust: bool, letters: str, quiet: bool) -> int:
    from govor.corpora.importing import import_corpus
    from govor.corpora.splits import SplitRule

    terminal = Terminal(quiet)
    with terminal.progress(tr("чтение корпуса", "reading the corpus")) as update:
        done = import_corpus(corpus, output, SplitRule(seed=seed), trust, update, letters)
    show_dropped(output, done.num_dropped, terminal)
    _tell(done, output, corpus.own_parts, terminal)
    # What is left out of a corpus of others is no failure; nothing left of it is.
    if done.num_utterances:
        return ExitCode.FINE
    terminal.fail(
        tr(
            f"ни одной годной фразы; почему — {output / 'dropped.jsonl'}",
            f"not one usable utterance; {output / 'dropped.jsonl'} says why",
        )
        if done.num_dropped
        else tr("в корпусе нет ни одной строки", "the corpus has not one row")
    )
    return ExitCode.SOME_FAILED


def _tell(done: Imported, output: Path, own_parts: bool, terminal: Terminal) -> None:
    hours = f"{done.seconds / 3600:.1f}"
    terminal.say(
        tr(
            f"{output / 'manifest.jsonl'}: фраз {done.num_utterances}, часов {hours}, "
            f"голосов {done.num_speakers or '?'}; отброшено {done.num_dropped} (dropped.jsonl)",
            f"{output / 'manifest.jsonl'}: {done.num_utterances} utterances, {hours} h, "
            f"{done.num_speakers or '?'} speakers; dropped {done.num_dropped} (dropped.jsonl)",
        )
    )
    if done.num_clips:
        terminal.say(
            tr(
                f"{output / 'clips'}: вырезано кусков {done.num_clips}",
                f"{output / 'clips'}: {done.num_clips} pieces cut out",
            )
        )
    for name, (count, seconds) in done.parts.items():
        minutes = tr(f", минут {seconds / 60:.1f}", f", {seconds / 60:.1f} min")
        terminal.say(f"{output / name}.jsonl: {count}{minutes}")
    if done.num_utterances and not done.parts["dev"][0]:
        terminal.warn(
            tr(
                f"{output / 'dev.jsonl'} пуст, а по нему выбирают модель: записей мало; "
                "добавьте их или попробуйте другое --seed",
                f"{output / 'dev.jsonl'}, by which a model is chosen, is empty: there are few recordings; "
                "add some or try another --seed",
            )
        )
    if not done.num_speakers and done.num_utterances and not own_parts:
        terminal.warn(
            tr(
                "голоса неизвестны: один и тот же голос может оказаться и в train, и в dev",
                "the speakers are unknown: the same one may be both in train and in dev",
            )
        )
