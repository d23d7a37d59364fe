# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Мой голос
#
# Наберите фразы, прочтите их вслух, и модель привыкнет к вам: к голосу, микрофону и словам. Десять минут вместе
# с записью. Ничего не уходит с вашего компьютера.
#
# Нужно: `pip install -e '.[notebooks,mic,train]'` и микрофон.

# %%
from pathlib import Path

from IPython.display import Audio, display

from govor import load_model
from govor.audio import load_audio
from govor.manifest import read_manifest
from govor.plots import plot_waveform

ПАПКА = Path("мой_голос")
ЭПОХ = 40

# %% [markdown]
# ## Фразы
#
# По одной на строку: команды, имена, слова, которые для вас важны. Нужно хотя бы пять; тридцати хватает, чтобы
# заметить разницу.

# %%
МОИ_ФРАЗЫ = """
включи свет в гостиной
выключи свет на кухне
сделай музыку погромче
поставь таймер на десять минут
какая завтра погода
позвони маме
открой шторы в спальне
разбуди меня в семь утра
поставь чайник
напомни купить хлеба
сколько времени
включи тёплый пол
"""

ПАПКА.mkdir(parents=True, exist_ok=True)
(ПАПКА / "фразы.txt").write_text(МОИ_ФРАЗЫ, encoding="utf-8")

# %% [markdown]
# ## Записать
#
# `--auto` записывает фразы одну за другой без клавиш: прочтите, сделайте паузу — начнётся следующая. Неудачное
# Говор попросит повторить и скажет почему; пропущенное предложит, если выполнить ячейку ещё раз. В терминале
# удобнее без `--auto`: там каждую запись можно прослушать и переписать.

# %%
# !govor record --auto --prompts "{ПАПКА}/фразы.txt" --output "{ПАПКА}"

# %%
записи = list(read_manifest(ПАПКА / "manifest.jsonl"))
print(f"записано фраз: {len(записи)}, секунд: {sum(запись.duration for запись in записи):.0f}")
звук = load_audio(записи[0].audio_filepath, 16000)
print(записи[0].text)
display(Audio(звук.samples, rate=16000), plot_waveform(звук.samples, 16000))

# %% [markdown]
# ## Дообучить
#
# Минута-другая на одном ядре. Часть записей модель при этом не видит: на них честно сравнивается, что было и что
# стало. Чужая речь подмешивается, чтобы модель не разучилась понимать остальных, — это вторая строка таблицы.

# %%
# !govor adapt --manifest "{ПАПКА}/manifest.jsonl" --output "{ПАПКА}/моя.onnx" --epochs {ЭПОХ}

# %% [markdown]
# ## Сравнить
#
# Те же записи до и после. Почти на всех из них модель училась, поэтому верить надо таблице выше, а здесь видно,
# какие именно ошибки ушли.

# %%
готовая, моя = load_model(), load_model(ПАПКА / "моя.onnx")
for запись in записи[:8]:
    print("сказано:", запись.text)
    print("до:     ", готовая.transcribe(запись.audio_filepath, decoder="greedy").text)
    print("после:  ", моя.transcribe(запись.audio_filepath, decoder="greedy").text)
    print()

# %% [markdown]
# Теперь она слушает вас и понимает только ваши фразы:
#
#     govor listen --model мой_голос/моя.onnx --phrases мой_голос/фразы.txt
#
# Без `--phrases` — любые слова. Через неделю наберите новые фразы и повторите всё сначала: записи копятся в папке.
