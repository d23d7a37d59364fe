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
# # Загрузка: корпус и что в нём
#
# VoxForge-ru — около четырнадцати часов русской речи: сотни людей прочли вслух предложения и подарили записи.
# Лицензия — GPL-3.0, её наследует и обученная на них модель.
#
# Нужно: `pip install -e '.[notebooks,download]'` и сеть. Прерванная загрузка продолжается с того же места.

# %%
import os
from collections import Counter
from pathlib import Path

from IPython.display import HTML, Audio, display

from govor.audio import load_audio
from govor.manifest import read_manifest
from govor.plots import plot_waveform

КОРПУС = Path(os.environ.get("GOVOR_CORPUS", "корпус"))
ДИКТОРОВ = int(os.environ.get("GOVOR_SPEAKERS", "20"))
ИСТОЧНИК = os.environ.get("GOVOR_SOURCE", "")

# %% [markdown]
# ## Скачать
#
# Для начала двадцать человек. Уберите `--limit-speakers`, и приедет всё.

# %%
# !govor download voxforge-ru --output "{КОРПУС}/архивы" --limit-speakers {ДИКТОРОВ} {ИСТОЧНИК} 2>&1 | cat

# %% [markdown]
# ## Подготовить
#
# Тексты приводятся к строчным буквам и пробелам, негодные записи отбрасываются с причиной (`dropped.jsonl`),
# люди делятся на обучение, выбор модели (dev) и две проверки: незнакомые голоса и незнакомые предложения.

# %%
# !govor prepare voxforge "{КОРПУС}/архивы" --output "{КОРПУС}/данные" 2>&1 | cat

# %%
манифесты = sorted((КОРПУС / "данные").glob("*.jsonl"))
части = {путь.stem: list(read_manifest(путь, [])) for путь in манифесты if путь.stem != "dropped"}
for имя, фразы in части.items():
    часов = sum(фраза.duration for фраза in фразы) / 3600
    print(f"{имя:22} {len(фразы):6} фраз {часов:6.2f} ч {len({фраза.speaker for фраза in фразы}):4} голосов")

# %% [markdown]
# ## Послушать

# %%
фраза = части["train"][0]
звук = load_audio(фраза.audio_filepath, 16000)
print(фраза.speaker, "—", фраза.text)
display(Audio(звук.samples, rate=16000))
plot_waveform(звук.samples, 16000)

# %% [markdown]
# Разных предложений намного меньше, чем записей: люди читали одно и то же. Поэтому незнакомые голоса и
# незнакомые предложения измеряются порознь.

# %%
тексты = Counter(фраза.text for фраза in части["train"])
print(f"записей {len(части['train'])}, разных предложений {len(тексты)}; чаще всего:")
for текст, раз in тексты.most_common(5):
    print(f"{раз:4} × {текст}")

# %% [markdown]
# ## Проверить качество
#
# `govor corpus audit` ищет перегрузку, тишину, шум и тексты, которые не подходят к звуку, и пишет страницу.

# %%
# !govor corpus audit "{КОРПУС}/данные/train.jsonl" --output "{КОРПУС}/проверка.html" 2>&1 | cat
display(HTML(f'<a href="{КОРПУС}/проверка.html">проверка.html</a>'))

# %% [markdown]
# Дальше: [обучение.ipynb](обучение.ipynb).
