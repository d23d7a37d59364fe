"""The tree of commands, and how their errors become lines and exit codes."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, cast

import typer

from govor import __version__
from govor.cli.console import ExitCode, Terminal, limit_threads
from govor.cli.russian_help import translate_command, translate_headings
from govor.cli.usage_errors import in_users_language
from govor.errors import GovorError, system_error_text
from govor.language import speaks_russian, tr

# Older typer uses click, newer carries a copy of its own; this is the base of its errors in either.
_ClickError = cast("type[Any]", typer.BadParameter.__mro__[2])

# In the order of the help; each is a module of `govor.cli` with HELP and a function of the same name.
COMMANDS = (
    *("transcribe", "listen", "align", "evaluate", "train", "adapt", "tune", "export", "record", "serve"),
    *("devices", "features"),
)
# Modules that are trees of their own, each with an `app`.
GROUPS = ("download", "prepare", "corpus", "lm")


def command_tree(arguments: Sequence[str]) -> typer.Typer:
    """Return the tree of commands, or the one that is asked for: importing all takes as long as all else."""
    tree = typer.Typer(
        name="govor",
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        help=tr(
            "Говор: распознавание русской речи, которое можно обучить и сделать своим.",
            "Govor: Russian speech recognition that you can train and make your own.",
        ),
    )
    tree.callback()(_options)
    asked = arguments[0] if arguments and arguments[0] in (*COMMANDS, *GROUPS) else None
    for name in COMMANDS:
        if asked in (None, name):
            module = import_module(f"govor.cli.{name}")
            tree.command(name, help=module.HELP)(getattr(module, name))
    for name in GROUPS:
        if asked in (None, name):
            tree.add_typer(import_module(f"govor.cli.{name}").app, name=name)
    return tree


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"govor {__version__}")
        raise typer.Exit


def _options(
    version: bool = typer.Option(
        False,
        "--version",
        callback=_show_version,
        is_eager=True,
        help=tr("Показать версию и выйти.", "Show the version and exit."),
    ),
) -> None:
    """Hold the options of the program itself."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; no GovorError passes as a traceback."""
    limit_threads()
    terminal = Terminal()
    command: Any = typer.main.get_command(command_tree(arguments))
    if speaks_russian():
        translate_command(command)
        # Typer prints nothing but help itself; for its headings rich has to be imported.
        if "--help" in arguments or len(arguments) < 2:
            from typer import rich_utils

            translate_headings(rich_utils)
    try:
        result = command(args=list(arguments), prog_name="govor", standalone_mode=False)
    except typer.Exit as error:
        result = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        terminal.say(tr("прервано", "interrupted"))
        return ExitCode.INTERRUPTED
    except _ClickError as error:
        _show_usage_error(error, terminal)
        return ExitCode.USAGE
    except GovorError as error:
        terminal.fail(str(error))
        return ExitCode.SOME_FAILED
    except OSError as error:
        # A full disk, a read-only folder: the user can cure it, so it gets a line and no traceback.
        terminal.fail(system_error_text(error))
        return ExitCode.SOME_FAILED
    if result == ExitCode.INTERRUPTED:
        # Newer typer turns Ctrl-C into this code itself.
        terminal.say(tr("прервано", "interrupted"))
    return int(result) if isinstance(result, int) else ExitCode.FINE


def _show_usage_error(error: Any, terminal: Terminal) -> None:
    message = str(error.format_message()).strip()
    if type(error).__name__ == "NoArgsIsHelpError":
        # Without a command the help is the answer; typer has printed it, or gives it as the message.
        if message:
            typer.echo(message)
        return
    context = getattr(error, "ctx", None)
    hint = f" ({tr('справка', 'help')}: {context.command_path} --help)" if context is not None else ""
    terminal.fail(in_users_language(message) + hint)
