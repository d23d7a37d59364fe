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
# # Обучение: модель с нуля
#
# Сеть начинает с ничего и к концу пишет слова. После каждой эпохи видно, что она услышала, рядом с тем, что
# было сказано: сначала тишина, потом отдельные буквы, потом слоги и слова. На двадцати голосах до грамотных слов
# далеко, зато всё видно за несколько минут; на всём корпусе те же ячейки дают настоящую модель.
#
# Нужно: `pip install -e ".[notebooks,train]"` и корпус из [загрузка.ipynb](загрузка.ipynb). Видеокарта не нужна.

# %%
from pathlib import Path

from IPython.display import Audio, display

from govor import load_model
from govor.audio.loading import load_audio
from govor.manifest import read_manifest
from govor.plots import plot_training

КОРПУС = Path("корпус")
РАСЧЁТ = Path("расчёт")
ЭПОХ = 24

# %% [markdown]
# ## Настройки
#
# Это сеть школьного проекта, с которого всё началось: 13 MFCC, два слоя BLSTM по 128 ячеек, CTC. Впереди добавлена
# свёртка (`conv_channels`): она сжимает каждые три кадра (`stride`) в один, и остальным слоям втрое меньше работы.
#
# Эпоха (`epochs`) — один проход по всем записям, `learning_rate` — длина шага, на который каждый раз поправляются веса:
# слишком короткий — учится долго, слишком длинный — проскакивает мимо. Настройки — обычный файл TOML; всё, чего в нём
# нет, берётся по умолчанию.

# %%
РАСЧЁТ.mkdir(parents=True, exist_ok=True)
(РАСЧЁТ / "сеть.toml").write_text(
    f"""
[network]
conv_channels = 64
stride = 3
num_layers = 2
hidden_size = 128

[training]
epochs = {ЭПОХ}
learning_rate = 3e-3
""",
    encoding="utf-8",
)

# %% [markdown]
# ## Учить
#
# На двадцати голосах эпоха длится секунды, на всём корпусе — минуты. Прерванное обучение продолжает `--resume`.
#
# Потеря — число, которое обучение уменьшает: она тем больше, чем невероятнее для сети верный текст. `CER` — доля
# неверных букв, `WER` — доля неверных слов; звёздочка — лучшая эпоха, она и сохраняется.

# %%
# !govor train --config "{РАСЧЁТ}/сеть.toml" --train "{КОРПУС}/данные/train.jsonl" --dev "{КОРПУС}/данные/dev.jsonl" --output "{РАСЧЁТ}"

# %% [markdown]
# Как падали потеря и ошибка. Пока ошибка на `dev` падает, учить дальше полезно.

# %%
plot_training(РАСЧЁТ)

# %% [markdown]
# ## Один файл
#
# Веса, признаки и алфавит — всё, что нужно для распознавания; torch больше не понадобится.

# %%
# !govor export "{РАСЧЁТ}/best.safetensors" --output "{РАСЧЁТ}/моя.onnx"

# %%
моя = load_model(РАСЧЁТ / "моя.onnx")
фраза = next(read_manifest(КОРПУС / "данные" / "dev.jsonl"))
звук = load_audio(фраза.audio_filepath, 16000)
display(Audio(звук.samples, rate=16000))
print("сказано:   ", фраза.text)
print("моя модель:", моя.transcribe(фраза.audio_filepath, decoder="greedy").text)
print("готовая:   ", load_model().transcribe(фраза.audio_filepath).text)

# %% [markdown]
# Сколько букв и слов неверно на всём `dev`:

# %%
# !govor evaluate "{КОРПУС}/данные/dev.jsonl" --model "{РАСЧЁТ}/моя.onnx" --decoder greedy

# %% [markdown]
# Как обучена поставляемая модель — со всеми данными и приёмами — записано в `recipes/`.
