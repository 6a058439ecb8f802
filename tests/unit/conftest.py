"""What unit tests share."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pulumi
import pytest

from components import MlflowDeploymentArgs, load_arguments

Load = Callable[..., MlflowDeploymentArgs]


@pytest.fixture
def load() -> Iterator[Load]:
    """Loads a stack configuration as the engine hands it over: every value as text, structured ones as JSON."""
    settings: tuple[Any, ...] = (pulumi.runtime.config.CONFIG, pulumi.runtime.config._SECRET_KEYS)
    before = [setting.get() for setting in settings]

    def set_and_load(configuration: Mapping[str, Any], secret: tuple[str, ...] = ()) -> MlflowDeploymentArgs:
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in configuration.items()}
        keys = [f"mlflow:{key}" for key in secret]
        pulumi.runtime.set_all_config({f"mlflow:{key}": text for key, text in texts.items()}, keys)
        return load_arguments()

    yield set_and_load
    for setting, value in zip(settings, before, strict=True):
        setting.set(value)


@pytest.fixture
def loop() -> Iterator[None]:
    """An event loop, without which no Pulumi output can be made."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield
    asyncio.set_event_loop(None)
    made.close()
