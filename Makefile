# Every command works from a fresh clone: it makes the environment first. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# An index for CPU builds of torch, where the usual one brings CUDA; see the README. Never needed.
export TORCH_INDEX ?=
LESSON ?=
# Not from the environment, where NAME may be the machine's.
CHAPTER :=
NAME :=
.DEFAULT_GOAL := help
.PHONY: help book test lab notebooks evidence faults portable lowest newest lesson lint zip pdf epub dist take-away clean

help:  ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|' 2>/dev/null \
	  || grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST)

# The stamp is newer than what it was made from, or the environment is brought up to date.
$(VENV)/test.stamp: pyproject.toml constraints.txt tools/install.py
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON): install Python 3.11 or newer, or name one: make book PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) tools/install.py $(VENV) test
	@touch $@

$(VENV)/lab.stamp: $(VENV)/test.stamp
	@$(PYTHON) tools/install.py $(VENV) test,lab
	@touch $@

book: $(VENV)/test.stamp  ## build the site in _build/html
	@$(BIN)/python -m tools.site

test: $(VENV)/test.stamp  ## unit tests, static checks, every notebook's outputs, the site in a browser
	@$(BIN)/python -m pytest -n 2

lab: $(VENV)/lab.stamp  ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab --notebook-dir=notebooks

notebooks: $(VENV)/test.stamp  ## run every notebook afresh and record its outputs (LESSON=chapter/lesson: one)
	@$(BIN)/python -m tools.notebooks $(LESSON)

evidence: $(VENV)/test.stamp  ## compare with the established libraries and write the records (LESSON=chapter/lesson: one)
	@$(BIN)/python -m tools.evidence $(LESSON)

faults: $(VENV)/test.stamp  ## plant faults in the modules and count those that the tests catch (LESSON=chapter/lesson: one)
	@$(BIN)/python -m tools.faults $(LESSON)

portable: $(VENV)/test.stamp  ## replay the notebooks and run the unit tests as another CPU would compute them
	@$(BIN)/python -m tools.portable

lowest: $(VENV)/test.stamp  ## unit tests with the lowest versions that pyproject.toml states
	@$(BIN)/python -m tools.versions lowest

newest: $(VENV)/test.stamp  ## unit tests with the newest versions there are, and the outputs that move
	@$(BIN)/python -m tools.versions newest

lesson: $(VENV)/test.stamp  ## lay out a new lesson (CHAPTER=chapter NAME=name)
	@$(BIN)/python -m tools.lesson $(CHAPTER) $(NAME)

lint: $(VENV)/test.stamp  ## ruff, mypy, numpydoc and the notebook pairs
	@$(BIN)/python -m tools.lint

zip: $(VENV)/test.stamp  ## the site, and the package, as an archive that works from the disk, in _build/html/take_away
	@$(BIN)/python -m tools.take_away zip

pdf: $(VENV)/test.stamp  ## the whole book as a PDF, in the same place
	@$(BIN)/python -m tools.take_away pdf

epub: $(VENV)/test.stamp  ## the whole book as an EPUB, in the same place
	@$(BIN)/python -m tools.take_away epub

dist: $(VENV)/test.stamp  ## wheel and source archive of the package, in the same place
	@$(BIN)/python -m tools.take_away dist

take-away: $(VENV)/test.stamp  ## zip, pdf, epub and dist
	@$(BIN)/python -m tools.take_away

clean:  ## remove what was built; the environment stays
	rm -rf _build dist build
