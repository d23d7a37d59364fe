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
# Нужно: `pip install -e ".[notebooks,download]"` и интернет. Прерванная загрузка продолжается с того же места.
#
# Строки с `!` — обычные команды; без `!` их можно набрать и в терминале. Если команда кончилась строкой `ошибка: …`,
# дальше идти рано: в этой строке сказано, что поправить; поправьте и выполните ячейку снова.

# %%
from collections import Counter
from pathlib import Path

from IPython.display import HTML, Audio, display

from govor.audio.loading import load_audio
from govor.manifest import read_manifest
from govor.plots import plot_waveform

КОРПУС = Path("корпус")
ДИКТОРОВ = 20
# Свой сервер с теми же архивами: "--url https://…"
ИСТОЧНИК = ""

# %% [markdown]
# ## Скачать
#
# Для начала двадцать человек: сотня мегабайт. Уберите `--limit-speakers {ДИКТОРОВ}`, и приедет всё.

# %%
# !govor download voxforge-ru --output "{КОРПУС}/архивы" --limit-speakers {ДИКТОРОВ} {ИСТОЧНИК}

# %% [markdown]
# ## Подготовить
#
# Тексты приводятся к строчным буквам и пробелам, негодные записи отбрасываются с причиной (`dropped.jsonl`),
# а остальные делятся на четыре части: `train` — по ней учат, `dev` — по ней выбирают лучшую модель, и две
# проверки, которых модель не видит до самого конца: незнакомые голоса и незнакомые предложения.

# %%
# !govor prepare voxforge "{КОРПУС}/архивы" --output "{КОРПУС}/данные"

# %%
# Манифест — файл, в котором каждая строка описывает одну запись: где она лежит, что и кем сказано.
манифесты = sorted((КОРПУС / "данные").glob("*.jsonl"))
части = {путь.stem: list(read_manifest(путь, [])) for путь in манифесты if путь.stem != "dropped"}
for имя, фразы in части.items():
    часов = sum(фраза.duration for фраза in фразы) / 3600
    print(f"{имя:22} {len(фразы):6} фраз {часов:6.2f} ч {len({фраза.speaker for фраза in фразы}):4} голосов")

# %% [markdown]
# ## Послушать
#
# Первая запись из `train`:

# %%
фраза = части["train"][0]
звук = load_audio(фраза.audio_filepath, 16000)
print(фраза.speaker, "—", фраза.text)
display(Audio(звук.samples, rate=16000))
plot_waveform(звук.samples, 16000)

# %% [markdown]
# Во всём VoxForge разных предложений намного меньше, чем записей: люди читали одно и то же. Модель узнаёт
# предложение, которое слышала от других, легче, чем новое, — поэтому проверок две.

# %%
тексты = Counter(фраза.text for фраза in части["train"])
print(f"записей {len(части['train'])}, разных предложений {len(тексты)}; чаще всего:")
for текст, раз in тексты.most_common(5):
    print(f"{раз:4} × {текст}")

# %% [markdown]
# ## Проверить качество
#
# `govor corpus audit` ищет перегрузку, тишину, шум и тексты, которые не подходят к звуку. Страница, которую он
# пишет, открывается в браузере: худшие записи можно тут же прослушать.

# %%
# !govor corpus audit "{КОРПУС}/данные/train.jsonl" --output "{КОРПУС}/проверка.html"
display(HTML(f'<a href="{КОРПУС}/проверка.html">проверка.html</a>'))

# %% [markdown]
# Дальше: [обучение.ipynb](обучение.ipynb).
