PYTHON ?= python3
export STACK KUBE_CONTEXT PORT ARGS RUNG YES

.DEFAULT_GOAL := help
COMMANDS := help up down preview logs open test bench lint format lock schema bump purge
.PHONY: $(COMMANDS)

$(COMMANDS):
	@$(PYTHON) -m toolchain $@
