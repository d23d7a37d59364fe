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
# # Пример: два голоса, потом ваш
#
# Здесь модель распознаёт мужскую и женскую запись, показывает, как она это делает, а потом слушает микрофон.
#
# Нужно: `pip install -e '.[notebooks,mic]'`. Сеть и видеокарта не нужны.

# %%
import os

from IPython.display import Audio, display

from govor import GovorError, load_model
from govor.audio import load_audio
from govor.dictaphone import record_seconds
from govor.features import extract
from govor.plots import plot_features, plot_letters, plot_waveform

модель = load_model()
настройки = модель.model.config
print(f"весов: {настройки.network.num_layers} слоя BLSTM по {настройки.network.hidden_size} ячеек")

# %% [markdown]
# ## Мужской голос
#
# Послушайте:

# %%
МУЖЧИНА = os.environ.get("GOVOR_MALE", "../examples/male.wav")
звук = load_audio(МУЖЧИНА, 16000)
Audio(звук.samples, rate=16000)

# %% [markdown]
# `transcribe` возвращает текст и слова с временем и уверенностью.

# %%
мужчина = модель.transcribe(МУЖЧИНА)
print(мужчина.text)
for слово in мужчина.words:
    print(f"{слово.start:5.2f}–{слово.end:5.2f} с  {слово.confidence:4.0%}  {слово.text}")

# %% [markdown]
# Слова над волной:

# %%
plot_waveform(звук.samples, 16000, мужчина.words)

# %% [markdown]
# ### Что видит сеть
#
# Звук превращается в 13 чисел каждые 10 мс: мел-кепстральные коэффициенты (MFCC). Нулевой — громкость,
# остальные — форма спектра, то есть положение языка и губ. Паузы при этом вырезаются.

# %%
телефон = load_audio(МУЖЧИНА, настройки.features.sample_rate)
признаки = extract(телефон.samples, настройки.features)
print("кадров и коэффициентов:", признаки.values.shape)
plot_features(признаки.values, настройки.features.frame_shift)

# %% [markdown]
# ### Что сеть отвечает
#
# Для каждого мгновения — вероятности всех букв, пробела (␣) и «пустого» символа (серое). CTC учит сеть ставить
# короткий пик на каждую букву; между пиками она молчит. Если прочесть пики подряд, выйдет текст.

# %%
(вероятности,) = модель.model.log_probs([признаки.values])
шаг = настройки.features.frame_shift * настройки.network.stride
plot_letters(вероятности, модель.model.alphabet, шаг)

# %% [markdown]
# Прочесть пики — это «жадное» декодирование. По умолчанию работает лучшее: поиск по лучу, которому языковая
# модель подсказывает, какие слова вообще бывают.

# %%
print("жадно:              ", модель.transcribe(МУЖЧИНА, decoder="greedy").text)
print("с языковой моделью: ", мужчина.text)

# %% [markdown]
# ## Женский голос

# %%
ЖЕНЩИНА = os.environ.get("GOVOR_FEMALE", "../examples/female.wav")
звук = load_audio(ЖЕНЩИНА, 16000)
женщина = модель.transcribe(ЖЕНЩИНА)
display(Audio(звук.samples, rate=16000))
print(женщина.text)
plot_waveform(звук.samples, 16000, женщина.words)

# %% [markdown]
# ## Микрофон
#
# Запишем пять секунд с микрофона и распознаем. Без микрофона ячейка так и скажет.
# Слова прямо во время речи показывает команда `govor listen`.

# %%
СЕКУНД = float(os.environ.get("GOVOR_SECONDS", "5"))
try:
    запись = record_seconds(СЕКУНД, 16000)
except GovorError as ошибка:
    print(ошибка)
else:
    услышано = модель.transcribe(запись.samples, sample_rate=16000)
    print(услышано.text or "(тишина)")
    display(Audio(запись.samples, rate=16000), plot_waveform(запись.samples, 16000, услышано.words))

# %% [markdown]
# Дальше: [загрузка.ipynb](загрузка.ipynb) — корпус, [обучение.ipynb](обучение.ipynb) — своя модель с нуля,
# [мой_голос.ipynb](мой_голос.ipynb) — модель, которая знает вас.
