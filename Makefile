# One virtual environment, made on first use, serves everything. PYTHON chooses the interpreter it is made from.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8501

PYTEST := $(BIN)/python -m pytest
# Processes that share the tests; each may hold a page, a browser and PyTorch, some 3 GB.
WORKERS ?= 2

.PHONY: dashboard test bench load study curves lint checkpoints clean

dashboard: $(VENV)/.installed
	$(BIN)/gradinv dashboard --port $(PORT)

test: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(PYTEST) --numprocesses $(WORKERS) --dist loadgroup --no-loadscope-reorder --benchmark-disable

bench: $(VENV)/.installed-test
	$(PYTEST) tests/benchmarks tests/browser --benchmark-enable --benchmark-only -q

# Thirty students on one server for five minutes, then one who stops beside them, then all on one link, then one alone.
load: $(VENV)/.installed-test
	$(BIN)/python tests/benchmarks/class_of_thirty.py mixed
	$(BIN)/python tests/benchmarks/class_of_thirty.py stop --seconds 60
	$(BIN)/python tests/benchmarks/class_of_thirty.py link
	$(BIN)/python tests/benchmarks/class_of_thirty.py alone

# Success rates on gradients of real networks, the exact solver against the paper's searches, what is answered where the
# server's assumptions are wrong (for labels without structure too), and recovered images, layer by layer against
# gradient matching. The images take most of an hour; name parts to run some of them, as in
# OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/study_image_recovery.py noise
study: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/study_label_recovery.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/compare_searches.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/study_solver_race.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/study_right_gradients.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/study_wrong_worlds.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/study_wrong_worlds.py --kinds dirichlet --heads biased --seeds 5 --untold
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/study_image_recovery.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/study_transformers.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/study_residual.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/study_trained.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/study_batches.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/study_batch_pictures.py

# Measure the stored curves of the defences and of batches in assets/studies again.
curves: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m gradinv_core.experiments.sweep.study
	OMP_NUM_THREADS=1 $(BIN)/python -m gradinv_core.experiments.sweep.batch_study

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Retrain the small networks in assets/checkpoints.
checkpoints: $(VENV)/.installed
	$(BIN)/python -m gradinv_core.training

clean:
	rm -rf $(VENV)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gradinv needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	touch $@ $(VENV)/.installed
