# `make` lists what there is. Everything installs into .venv and nowhere else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The manifests of `govor prepare sphinx`, and one of recordings that are in no corpus of ours.
DATA ?= data/voxforge
ELSEWHERE ?= data/elsewhere.jsonl

# Russian or English, chosen as govor chooses: the first of these variables that is set decides.
RUSSIAN := $(filter ru% RU%,$(firstword $(GOVOR_LANG) $(LC_ALL) $(LC_MESSAGES) $(LANG)))
say = $(if $(RUSSIAN),$(1),$(2))

.DEFAULT_GOAL := help
.PHONY: help demo test lint format docs pictures reliability notebooks tables card refresh bench examples lock clean

help:
	@echo "make demo      $(call say,распознать две записи из examples/ поставляемой моделью,recognise the two recordings in examples/ with the shipped model)"
	@echo "make test      $(call say,стиль и типы и слои и все тесты,style and types and layers and all tests)"
	@echo "make lint      $(call say,всё из make test кроме самих тестов,all of make test but the tests themselves)"
	@echo "make format    $(call say,привести код к стилю,put the code in style)"
	@echo "make docs      $(call say,собрать сайт документации в site/,build the site of the documentation in site/)"
	@echo "make pictures  $(call say,сделать рисунки документации заново,make the pictures of the documentation anew)"
	@echo "make notebooks $(call say,выполнить тетради заново: notebooks/,execute the notebooks anew: notebooks/)"
	@echo "make tables    $(call say,таблицы документации заново из benchmarks/measured/,the tables of the documentation anew from benchmarks/measured/)"
	@echo "make card      $(call say,карточка модели: точность на dev и тестах,the model card: accuracy on dev and the tests)"
	@echo "make refresh   $(call say,рисунки и тетради и таблицы: после замены модели,pictures and notebooks and tables: after a change of the model)"
	@echo "make bench     $(call say,измерить всё для этих таблиц: полчаса на свободной машине,measure all for these tables: half an hour on an idle machine)"
	@echo "make examples  $(call say,сделать записи examples/ заново (festival и sox),make the recordings of examples/ anew (festival and sox))"
	@echo "make lock      $(call say,обновить constraints.txt: версии для разработки,renew constraints.txt: the versions for development)"
	@echo "make clean     $(call say,убрать .venv и всё временное; данные и обучение остаются,remove .venv and all that is temporary; data and runs stay)"

demo: $(VENV)/.light
	@$(BIN)/python examples/demo.py

# pytest comes last, so that its own closing line ends the output.
test: lint
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Russian in site/, English in site/en/; warnings are errors. The variable silences an announcement of the theme.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --config-file mkdocs.en.yml
	@echo "$(call say,готово: site/index.html,done: site/en/index.html)"

pictures: $(VENV)/.dev
	$(BIN)/python docs/pictures.py
	$(BIN)/python docs/images/make.py
	$(BIN)/python docs/capture_listen.py

notebooks: $(VENV)/.dev
	$(BIN)/python notebooks/execute.py

# After a change of the model: `make card`, `make bench` on an idle machine for the figures, then this for the rest.
refresh: pictures reliability notebooks tables

# Left out, and said so, where there is no VoxForge.
reliability: $(VENV)/.dev
	$(BIN)/python benchmarks/measure.py --data $(DATA) --only confidence

card: $(VENV)/.dev
	$(BIN)/python recipes/model_card.py src/govor/models/small.onnx --training recipes/small/training.json \
	  --data $(DATA) --elsewhere $(ELSEWHERE) --output src/govor/models/MODEL_CARD.md

tables: $(VENV)/.dev
	$(BIN)/python docs/tables.py

# BENCH takes options of the script, such as BENCH="--only listening serving --data data/voxforge".
bench: $(VENV)/.dev
	$(BIN)/python benchmarks/measure.py $(BENCH)

examples: $(VENV)/.light
	$(BIN)/python examples/make_examples.py

# Versions stay as they are unless pyproject.toml asks for more; remove a line of constraints.txt to renew it.
lock: $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5'
	@head -2 constraints.txt >.constraints.head
	@$(BIN)/uv pip compile --quiet pyproject.toml --universal --python-version 3.10 --extra dev \
	  --no-header --no-annotate -o constraints.txt
	@cat .constraints.head constraints.txt >.constraints.new
	@mv .constraints.new constraints.txt && rm .constraints.head

clean:
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are younger than pyproject.toml once the install has gone through, so the second time is quick.
$(VENV)/.light: pyproject.toml | $(VENV)/bin/python
	@echo "$(call say,установка в $(VENV) (один раз),installing into $(VENV) (once))"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "$(call say,установка в $(VENV) со всем для разработки (один раз),installing into $(VENV) with all for development (once))"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $@ $(VENV)/.light

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "$(call say,нет $(PYTHON): установите Python 3.10 или новее,there is no $(PYTHON): install Python 3.10 or newer)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "$(call say,нужен Python 3.10 или новее: make PYTHON=python3.12,Python 3.10 or newer is needed: make PYTHON=python3.12)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(call say,в $(PYTHON) нет venv; в Debian и Ubuntu: sudo apt install python3-venv,$(PYTHON) lacks venv; on Debian and Ubuntu: sudo apt install python3-venv)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
