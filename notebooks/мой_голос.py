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
# Наберите фразы, прочтите их вслух, и модель привыкнет к вам: к голосу, микрофону и словам.
#
# Нужно: `pip install -e '.[notebooks,mic,train]'` и микрофон.

# %%
import os
from pathlib import Path

from IPython.display import Audio, display

from govor import load_model
from govor.audio import load_audio
from govor.manifest import read_manifest
from govor.plots import plot_waveform

ПАПКА = Path(os.environ.get("GOVOR_VOICE", "мой_голос"))
СКОЛЬКО = int(os.environ.get("GOVOR_PHRASES", "30"))

# %% [markdown]
# ## Фразы
#
# По одной на строку: команды, имена, слова, которые для вас важны. Тридцати хватает, чтобы заметить разницу.

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
""".strip()

ПАПКА.mkdir(parents=True, exist_ok=True)
фразы = Path(os.environ.get("GOVOR_PROMPTS", ПАПКА / "фразы.txt"))
if not фразы.exists():
    фразы.write_text(МОИ_ФРАЗЫ + "\n", encoding="utf-8")

# %% [markdown]
# ## Записать
#
# `--auto` записывает фразы одну за другой без клавиш: прочтите, сделайте паузу — начнётся следующая. В терминале
# удобнее без него: можно прослушать и переписать. Пропущенное в следующий раз предложат снова.

# %%
# !govor record --auto --prompts "{фразы}" --output "{ПАПКА}" --timeout 10 2>&1 | cat

# %%
манифест = ПАПКА / "manifest.jsonl"
записи = list(read_manifest(манифест)) if манифест.exists() else []
print(f"записано фраз: {len(записи)}, секунд: {sum(запись.duration for запись in записи):.0f}")
if записи:
    звук = load_audio(записи[0].audio_filepath, 16000)
    print(записи[0].text)
    display(Audio(звук.samples, rate=16000), plot_waveform(звук.samples, 16000))

# %% [markdown]
# ## Дообучить
#
# Несколько минут на одном ядре. Часть записей откладывается, чтобы честно сравнить «до» и «после»; чужая речь
# подмешивается, чтобы модель не разучилась понимать остальных.

# %%
# !govor adapt --manifest "{манифест}" --output "{ПАПКА}/моя.onnx" 2>&1 | cat

# %% [markdown]
# ## Сравнить

# %%
готовая, моя = load_model(), load_model(ПАПКА / "моя.onnx")
for запись in записи[:8]:
    print("сказано:  ", запись.text)
    print("до:       ", готовая.transcribe(запись.audio_filepath, decoder="greedy").text)
    print("после:    ", моя.transcribe(запись.audio_filepath, decoder="greedy").text)
    print()

# %% [markdown]
# Теперь она слушает вас: `govor listen --model мой_голос/моя.onnx --phrases мой_голос/фразы.txt`.
