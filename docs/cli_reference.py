"""Print the reference of all commands as Markdown, in the language of GOVOR_LANG: ``python docs/cli_reference.py``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer

from govor.cli.app import command_tree
from govor.cli.russian_help import translate_command
from govor.language import speaks_russian, tr


def reference() -> str:
    """Return the page: every command with its help, arguments and options, from the program itself."""
    tree: Any = typer.main.get_command(command_tree(()))
    if speaks_russian():
        translate_command(tree)
    lines = [
        tr("# Команды", "# Commands"),
        "",
        tr(
            "Эта страница сделана из самой программы; то же показывает `govor КОМАНДА --help`. Язык — по локали "
            "или `GOVOR_LANG=ru|en`. Код завершения: 0 — всё хорошо, 1 — что-то из входов не удалось, 2 — "
            "неверный вызов, 130 — прервано. Дополнение по Tab: `govor --install-completion`.",
            "This page is made from the program itself; `govor COMMAND --help` shows the same. The language is "
            "that of the locale, or `GOVOR_LANG=ru|en`. Exit codes: 0 all is well, 1 some inputs failed, 2 wrong "
            "usage, 130 interrupted. Completion by Tab: `govor --install-completion`.",
        ),
        "",
    ]
    for name, command in sorted(_commands("govor", tree)):
        lines += _section(name, command)
    return "\n".join(lines)


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Go down to the commands that do something."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for child, one in inner.items():
        yield from _commands(f"{name} {child}", one)


def _section(name: str, command: Any) -> list[str]:
    what, _, example = (command.help or "").partition(tr("Пример:", "Example:"))
    lines = [f"## {name}", "", _plain(what), ""]
    if example.strip():
        lines += [
            "```console",
            *(f"$ {line.strip()}" for line in _unmarked(example).split("\n") if line.strip()),
        ]
        lines += ["```", ""]
    params = command.get_params(typer.Context(command))
    rows = [_row(option) for option in params if option.name != "help" and not option.hidden]
    if rows:
        lines += ["| | |", "|---|---|", *rows, ""]
    return lines


def _row(option: Any) -> str:
    names = [*option.opts, *option.secondary_opts]
    if option.param_type_name == "argument":
        shown = f"`{(option.metavar or option.name).upper()}`"
    else:
        shown = ", ".join(f"`{one}`" for one in sorted(names, key=len, reverse=True))
    choices = _choices(option)
    if choices:
        shown += ": " + ", ".join(f"`{one}`" for one in choices)
    text = _plain(getattr(option, "help", "") or "")
    notes = []
    if option.required:
        notes.append(tr("обязательно", "required"))
    default = getattr(option.default, "value", option.default)
    if not option.required and not isinstance(default, bool) and isinstance(default, str | int | float):
        notes.append(tr("если не указано", "by default") + f": `{default}`")
    if notes:
        text += f" ({'; '.join(notes)})" if text else "; ".join(notes)
    return f"| {shown} | {text} |"


def _choices(option: Any) -> list[str]:
    # Newer typer keeps the annotation, older typer click's type.
    annotation = getattr(getattr(option, "type_descriptor", None), "annotation", None)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(one.value) for one in annotation]
    return [str(one) for one in getattr(getattr(option, "type", None), "choices", ())]


def _unmarked(text: str) -> str:
    """Take rich's marks out: ``[bold]x[/bold]``, and the backslash before a bracket that is no mark."""
    return re.sub(r"(?<!\\)\[/?(?:bold|dim|italic|cyan|green|yellow)?\]", "", text).replace("\\[", "[")


def _plain(text: str) -> str:
    one_line = " ".join(_unmarked(text).split())
    return one_line.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


if __name__ == "__main__":
    print(reference())
