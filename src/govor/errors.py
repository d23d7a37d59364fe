"""Errors that a user can cure. Each message says what is wrong, where, and what to do about it.

Every class is also a built-in exception, so that callers who do not know Govor catch it in the usual way.
"""

from __future__ import annotations

import errno
import os

from govor.language import tr

# Python has the system's texts in English whatever the locale is.
_RUSSIAN = {
    errno.ENOENT: "нет такого файла или папки",
    errno.EACCES: "нет прав доступа",
    errno.EPERM: "это не разрешено",
    errno.EISDIR: "это папка",
    errno.ENOTDIR: "это файл, а не папка",
    errno.EEXIST: "такой файл уже есть",
    errno.ENOTEMPTY: "папка не пуста",
    errno.EROFS: "диск открыт только для чтения",
    errno.ENOSPC: "на диске нет места",
    errno.EFBIG: "файл слишком велик для этого диска",
    errno.EIO: "диск не читается или не пишется",
    errno.ENAMETOOLONG: "слишком длинное имя",
    errno.ELOOP: "ссылки водят по кругу",
    errno.EMFILE: "открыто слишком много файлов",
    errno.ENOMEM: "не хватает памяти",
    errno.EBUSY: "занято другой программой",
    errno.ENODEV: "нет такого устройства",
    errno.EADDRINUSE: "адрес уже занят",
    errno.EADDRNOTAVAIL: "такого адреса у этой машины нет",
    errno.ECONNREFUSED: "в соединении отказано",
    errno.ECONNRESET: "соединение разорвано",
    errno.EPIPE: "соединение разорвано",
    errno.ETIMEDOUT: "нет ответа",
    errno.ENETUNREACH: "сеть недоступна",
    errno.EHOSTUNREACH: "машина недоступна",
}


class GovorError(Exception):
    """Base of all errors that Govor raises on purpose; ``str(error)`` is one line for the user."""


class InputNotFoundError(GovorError, FileNotFoundError):
    """A file or folder that was named does not exist or cannot be opened."""

    # OSError formats itself from errno fields; ours is a plain sentence.
    __str__ = GovorError.__str__


class AudioError(GovorError, ValueError):
    """The bytes cannot be turned into a usable waveform."""


class ManifestError(GovorError, ValueError):
    """A manifest, corpus or text file has content that cannot be used."""


class ConfigError(GovorError, ValueError):
    """A configuration has an unknown key or a value out of range."""


class ModelError(GovorError, ValueError):
    """A model file or checkpoint is corrupt, of another version, or does not fit the task."""


class ModelNotFoundError(ModelError, InputNotFoundError):
    """A model file that was named, or the shipped one, does not exist or cannot be opened."""

    __str__ = GovorError.__str__


class MissingExtraError(GovorError, ImportError):
    """An optional dependency is needed for this and is not installed."""


class StreamClosedError(GovorError, ValueError):
    """Sound was fed to a stream that has been finished."""


class DeviceError(GovorError, OSError):
    """A sound device is missing, busy, or not permitted."""

    __str__ = GovorError.__str__


class DownloadError(GovorError, OSError):
    """Something cannot be fetched: the address, the server, the network or the disk does not allow it."""

    __str__ = GovorError.__str__


class ServerError(GovorError, OSError):
    """The server cannot start, as when a port is taken or not permitted, or has stopped."""

    __str__ = GovorError.__str__


class WorkerError(GovorError, RuntimeError):
    """The processes that were to share the work cannot be started."""


def system_reason(error: Exception) -> str:
    """Return what the system says against a file or an address, in the user's language, without its name."""
    said = error.strerror if isinstance(error, OSError) else None
    if not isinstance(error, OSError) or not said:
        return str(error)
    # Sockets put more after it: the address, which our messages name anyway.
    if error.errno in _RUSSIAN and said.startswith(os.strerror(error.errno)):
        return tr(_RUSSIAN[error.errno], said)
    return said


def system_error_text(error: OSError) -> str:
    """Return what the system says of a file, without the number of the error that Python puts first."""
    if isinstance(error, GovorError) or not error.strerror:
        return str(error)
    return system_reason(error) if error.filename is None else f"{error.filename}: {system_reason(error)}"
