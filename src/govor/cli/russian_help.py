"""The help in Russian: typer's own words, the names of arguments and the kinds of values are English only."""

from __future__ import annotations

from enum import Enum
from typing import Any

_HELP = {
    "Show this message and exit.": "Показать эту справку и выйти.",
    "Install completion for the current shell.": "Включить дополнение по Tab в этой оболочке.",
    "Show completion for the current shell, to copy it or customize the installation.": (
        "Показать, что для этого делается, чтобы включить самому."
    ),
}
_HEADINGS = {
    "ARGUMENTS_PANEL_TITLE": "Аргументы",
    "OPTIONS_PANEL_TITLE": "Параметры",
    "COMMANDS_PANEL_TITLE": "Команды",
    "ERRORS_PANEL_TITLE": "Ошибка",
    "DEFAULT_STRING": "[по умолчанию: {}]",
    "ENVVAR_STRING": "[переменная среды: {}]",
    "REQUIRED_LONG_STRING": "[обязателен]",
}
_ARGUMENTS = {
    "file": "ФАЙЛ",
    "files": "ФАЙЛ",
    "text": "ТЕКСТ",
    "texts": "ТЕКСТ",
    "manifest": "МАНИФЕСТ",
    "manifests": "МАНИФЕСТ",
    "recordings": "ЗАПИСИ",
    "model": "МОДЕЛЬ",
    "corpus": "КОРПУС",
    "output": "ВЫХОД",
    "more": "ЕЩЁ",
}
# By the name of the type; older typer has names of click's.
_KINDS = {
    "str": "ТЕКСТ",
    "text": "ТЕКСТ",
    "path": "ПУТЬ",
    "int": "ЧИСЛО",
    "integer": "ЧИСЛО",
    "float": "ЧИСЛО",
}


def translate_headings(rich_utils: Any) -> None:
    """Translate the headings of typer's rich help, for the rest of the process."""
    for name, text in _HEADINGS.items():
        if hasattr(rich_utils, name):
            setattr(rich_utils, name, text)


def translate_command(command: Any) -> None:
    """Make a command and those below it speak Russian where typer would speak English."""
    usage, params = command.get_usage, command.get_params
    command.get_usage = lambda ctx: usage(ctx).replace("Usage:", "Вызов:", 1)
    # Not at once: the option --help is made when it is asked for.
    command.get_params = lambda ctx: [_translated(one) for one in params(ctx)]
    command.options_metavar = "[ПАРАМЕТРЫ]"
    if hasattr(command, "subcommand_metavar"):
        command.subcommand_metavar = "КОМАНДА [АРГУМЕНТЫ]..."
    for child in getattr(command, "commands", {}).values():
        translate_command(child)


def _translated(param: Any) -> Any:
    if param.param_type_name == "argument":
        param.metavar = _ARGUMENTS.get(param.name, param.metavar)
        # The help says what it is; a name in capitals and a kind beside it say the same twice.
        param.display_type_rich = lambda ctx: None
        return param
    param.help = _HELP.get(param.help or "", param.help)
    if param.metavar is None:
        param.metavar = _kind(param)
    return param


def _kind(param: Any) -> str | None:
    """Return what to call the values in Russian; None where typer shows names to choose from."""
    if getattr(param, "is_flag", False):
        # It takes no value, and that is best said by saying nothing.
        return ""
    described = getattr(param, "type_descriptor", None)
    if described is None:
        return _KINDS.get(str(param.type.name).split()[0].lower())
    inner = getattr(described.annotation, "__args__", None)
    # list[str] holds what one occurrence of the option takes.
    (annotation,) = inner or (described.annotation,)
    if issubclass(annotation, Enum):
        return f"<{'|'.join(str(one.value) for one in annotation)}>" if inner else None
    return _KINDS.get(str(annotation.__name__).lower())
