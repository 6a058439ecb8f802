"""The programs that judge, and the configurations that they judge, made once."""

import multiprocessing
import os
import threading
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
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn"), _end_with_this_process) as made:
        yield made


def _end_with_this_process() -> None:
    """Otherwise it would wait for work for ever where this process was killed."""
    started_by = multiprocessing.parent_process()
    assert started_by is not None

    def wait() -> None:
        started_by.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@pytest.fixture(scope="session")
def previews(pool: ProcessPoolExecutor) -> Future[None]:
    """Whether the rules hold in previews."""
    return pool.submit(check_previews)


@pytest.fixture(scope="session")
def deployments(pool: ProcessPoolExecutor, previews: Future[None]) -> list[Deployment]:
    """Valid configurations, some of them chosen and most of them generated, with what becomes of them."""
    made = [pool.submit(corners), *(pool.submit(part, number) for number in range(PARTS))]
    return [deployment for each in made for deployment in each.result()]
