from __future__ import annotations

import pytest

from govor.language import tr

VARIABLES = ("GOVOR_LANG", "LC_ALL", "LC_MESSAGES", "LANG")


@pytest.mark.parametrize(
    ("environment", "spoken"),
    [
        ({"LANG": "ru_RU.UTF-8"}, "да"),
        ({"LANG": "en_US.UTF-8"}, "yes"),
        ({}, "yes"),
        ({"LC_ALL": "C", "LANG": "ru_RU.UTF-8"}, "yes"),
        ({"LC_ALL": "", "LANG": "ru_RU.UTF-8"}, "да"),
        ({"LC_MESSAGES": "ru_RU.UTF-8", "LANG": "de_DE.UTF-8"}, "да"),
        ({"GOVOR_LANG": "en", "LC_ALL": "ru_RU.UTF-8"}, "yes"),
        ({"GOVOR_LANG": "RU", "LC_ALL": "C"}, "да"),
        ({"LANG": "uk_UA.UTF-8"}, "yes"),
    ],
)
def test_first_locale_variable_that_is_set_decides_the_language(
    environment: dict[str, str], spoken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert tr("да", "yes") == spoken
