# One command each; continuous integration calls the same (./test.sh).
.PHONY: check format lint types fast test slow bench

PYTHON ?= .venv/bin/python

check: format lint types fast

format:
	$(PYTHON) -m ruff format --check .

lint:
	$(PYTHON) -m ruff check .

types:
	$(PYTHON) -m mypy

# Without the browser and the servers in processes of their own.
fast:
	$(PYTHON) -m pytest --ignore tests/ui --ignore tests/server --ignore tests/cli/test_process.py

test:
	./test.sh

# Full-size shapes; minutes, and 8 GB of memory.
slow:
	$(PYTHON) -m pytest -m slow

# TOKENIZER is a folder with a Qwen3 tokenizer.json, such as a downloaded Qwen3-Reranker.
bench:
	$(PYTHON) -m benchmarks.qwen3_cpu --tokenizer $(TOKENIZER)
