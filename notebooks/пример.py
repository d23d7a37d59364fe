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
# Ячейки выполняются сверху вниз: Shift+Enter. Всё считается на вашем компьютере, ничего никуда не отправляется.
#
# Нужно: `pip install -e ".[notebooks,mic]"` в папке Говора. Интернет и видеокарта не нужны.
#
# Тетрадь открывает VS Code с расширением Jupyter; без него — `pip install jupyterlab`, затем `jupyter lab notebooks`.
#
# Модель — нейронная сеть из слоёв BLSTM: такой слой читает звук и с начала, и с конца, поэтому о каждом мгновении знает,
# что было до него и что будет после. Загрузим её:

# %%
from IPython.display import Audio, display

from govor import GovorError, load_model
from govor.audio.dictaphone import record_seconds
from govor.audio.loading import load_audio
from govor.features import extract
from govor.plots import plot_features, plot_letters, plot_waveform

МУЖЧИНА = "../examples/male.wav"
ЖЕНЩИНА = "../examples/female.wav"
СЕКУНД = 5

модель = load_model()
настройки = модель.model.config
print(f"слоёв BLSTM: {настройки.network.num_layers}, в каждом ячеек: {настройки.network.hidden_size}")

# %% [markdown]
# ## Мужской голос
#
# Послушайте (или подставьте выше свой файл: годится любой звук и даже фильм):

# %%
звук = load_audio(МУЖЧИНА, 16000)
Audio(звук.samples, rate=16000)

# %% [markdown]
# `transcribe` возвращает текст и слова: когда каждое сказано и насколько модель в нём уверена.

# %%
мужчина = модель.transcribe(МУЖЧИНА)
print(мужчина.text)
for слово in мужчина.words:
    print(f"{слово.start:5.2f}–{слово.end:5.2f} с  {слово.confidence:4.0%}  {слово.text}")

# %% [markdown]
# Те же слова над звуковой волной — там, где они звучат:

# %%
plot_waveform(звук.samples, 16000, мужчина.words)

# %% [markdown]
# ### Что видит сеть
#
# Сто раз в секунду звук превращается в 13 чисел: мел-кепстральные коэффициенты (MFCC). Нулевой — громкость,
# остальные — форма спектра, то есть положение языка и губ. Паузы при этом вырезаются. Подробно, с рисунками —
# [«Звук»](../docs/ru/mfcc.md).

# %%
телефон = load_audio(МУЖЧИНА, настройки.features.sample_rate)
признаки = extract(телефон.samples, настройки.features)
print("кадров и коэффициентов:", признаки.values.shape)
plot_features(признаки.values, настройки.features.frame_shift)

# %% [markdown]
# ### Что сеть отвечает
#
# Для каждого мгновения — вероятности всех букв, пробела (␣) и «пустого» символа (серое). CTC учит сеть ставить
# короткий пик на каждую букву; между пиками она молчит. Прочтите пики слева направо — выйдет текст. Почему так —
# в главах [«Сеть»](../docs/ru/network.md) и [«Слова»](../docs/ru/ctc.md).

# %%
(вероятности,) = модель.model.log_probs([признаки.values])
шаг = настройки.features.frame_shift * настройки.network.stride
plot_letters(вероятности, модель.model.alphabet, шаг)

# %% [markdown]
# Взять в каждом мгновении самую вероятную букву — это «жадное» декодирование. По умолчанию работает лучшее: поиск
# среди многих прочтений, которому языковая модель подсказывает, какие слова бывают и какие стоят рядом.

# %%
print("жадно:             ", модель.transcribe(МУЖЧИНА, decoder="greedy").text)
print("с языковой моделью:", мужчина.text)

# %% [markdown]
# ## Женский голос
#
# То же самое, коротко.

# %%
звук = load_audio(ЖЕНЩИНА, 16000)
женщина = модель.transcribe(ЖЕНЩИНА)
display(Audio(звук.samples, rate=16000))
print(женщина.text)
plot_waveform(звук.samples, 16000, женщина.words)

# %% [markdown]
# ## Микрофон
#
# Теперь вы: выполните ячейку и говорите пять секунд. Если микрофона нет, она так и скажет. Слова прямо во время
# речи показывает команда `govor listen` в терминале.

# %%
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
