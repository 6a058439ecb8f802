"""The programs that judge, and the configurations that they judge, made once."""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import pytest

from tests.property.deployments import PARTS, Deployment, check_previews, corners, part
from toolchain.session import Session


@pytest.fixture(scope="session")
def session() -> Session:
    """The tools that `make test` has prepared."""
    try:
        found = Session.load()
    except FileNotFoundError as error:
        pytest.fail(f"{error.filename} is missing: run `make test` once, which prepares what these tests need")
    if not found.pod_security or not found.kube_score:
        pytest.fail("the programs that judge manifests are missing: run `make test RUNG=property`")
    return found


@pytest.fixture(scope="session")
def pool() -> Iterator[ProcessPoolExecutor]:
    """A process for each processor: nearly all of the time is Hypothesis' and Pulumi's. Not forked, since Pulumi's threads would be lost."""
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as made:
        yield made


@pytest.fixture(scope="session")
def previews(pool: ProcessPoolExecutor) -> Future[None]:
    """Whether the rules hold in previews."""
    return pool.submit(check_previews)


@pytest.fixture(scope="session")
def deployments(pool: ProcessPoolExecutor, previews: Future[None]) -> list[Deployment]:
    """Valid configurations, some of them chosen and most of them generated, with what becomes of them."""
    made = [pool.submit(corners), *(pool.submit(part, number) for number in range(PARTS))]
    return [deployment for each in made for deployment in each.result()]
