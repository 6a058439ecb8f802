"""The programs that judge, and the configurations that they judge, made once."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.property.deployments import SEED, Deployment, generate
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
def deployments() -> list[Deployment]:
    """Generated valid configurations with what becomes of them."""
    configurations = generate(SEED)
    labels = [f"SEED={SEED}, number {number}" for number in range(len(configurations))]
    # Most of the time is Pulumi's. Not forked, since its threads would be lost.
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(Deployment.of, configurations, labels, chunksize=25))
