PYTHON ?= python3
export STACK KUBE_CONTEXT PORT ARGS RUNG YES

# Only a stack that is named on this command line is removed, not one that the environment names.
NAMED = $(if $(filter command,$(origin STACK)),--stack "$(STACK)")

.DEFAULT_GOAL := help
COMMANDS := help up down shell env password preview logs open drill test test-all bench docs lint format lock schema bump purge
.PHONY: $(COMMANDS)

$(COMMANDS):
	@$(PYTHON) -m toolchain $@ $(if $(filter down,$@),$(NAMED))
