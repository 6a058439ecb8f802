"""Autoscaler, eviction and ending pods while clients keep the servers busy: no request is lost."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from components.arguments import ServerArgs
from tests.support import configurations, load, postgresql, s3
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, unique_name
from tests.support.processes import eventually

pytestmark = pytest.mark.extended

DRAINED = {"drainSeconds": ServerArgs.drain_seconds}


@pytest.fixture(scope="module")
def scaled(
    new_stack: Deploy, kubectl: Kubectl, postgresql_server: postgresql.Server, s3_url: str
) -> Iterator[Deployed]:
    """Two or three replicas, as a low target for their CPU asks for."""
    database, bucket = postgresql_server.database(), s3.bucket(s3_url)
    values = configurations.postgresql(
        unique_name(),
        database,
        bucket,
        server=DRAINED,
        autoscaling={"minReplicas": 2, "maxReplicas": 3, "cpuPercent": 5},
    )
    with deploy(new_stack, kubectl, values, configurations.postgresql_secrets(database, bucket)) as deployed:
        yield deployed


def _scaler(kubectl: Kubectl, namespace: str) -> dict:
    (scaler,) = kubectl.items("horizontalpodautoscalers", namespace)
    return scaler


def _ready(kubectl: Kubectl, namespace: str) -> list[str]:
    return [
        pod_name(pod)
        for pod in kubectl.pods(namespace)
        if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
    ]


@pytest.mark.feature("hpa")
def test_scaling_eviction_and_ending_pods_lose_no_request(scaled: Deployed, kubectl: Kubectl) -> None:
    namespace = scaled.namespace
    target = load.Target.service(kubectl, namespace)
    run_id = target.post("runs/create", experiment_id="0")["run"]["info"]["run_id"]
    ended = threading.Event()

    def search(_: int) -> None:
        target.post("experiments/search", max_results=1)

    with ThreadPoolExecutor() as pool:
        searches = pool.submit(load.new_connections, search, ended, 10)
        metrics = pool.submit(load.kept_connections, target, run_id, ended)
        try:
            # Real metrics of a real load.
            eventually(lambda: len(_ready(kubectl, namespace)) == 3, "three replicas under load", 1)
            status = _scaler(kubectl, namespace)["status"]
            assert status["currentMetrics"][0]["containerResource"]["current"]["averageUtilization"] > 5
            assert {c["type"]: c["status"] for c in status["conditions"]}["ScalingActive"] == "True"

            # The number of pods is the autoscaler's: nothing of it is in the way of another `up`.
            scaled.stack.up("--expect-no-changes", "--refresh").succeeded()
            assert len(kubectl.pods(namespace)) == 3

            # A drain may take one pod at a time.
            first, second, _ = _ready(kubectl, namespace)
            assert kubectl.evict(namespace, first) == ""
            refusal = kubectl.evict(namespace, second)
            assert "would violate the pod's disruption budget" in refusal, refusal
            eventually(lambda: len(set(_ready(kubectl, namespace)) - {first}) == 3, "the next pod", 1)

            kubectl.text("delete", "pod", second, "--namespace", namespace, "--wait=false")
            eventually(lambda: len(set(_ready(kubectl, namespace)) - {second}) == 3, "the next pod", 1)

            # Down to two at once, by a smaller maximum.
            less = {**scaled.values["autoscaling"], "maxReplicas": 2}
            scaled.reconfigure(autoscaling=less).up().succeeded()
            eventually(lambda: len(kubectl.pods(namespace)) == 2, "two replicas", 1)
        finally:
            ended.set()
        new, kept = searches.result(), metrics.result()
    assert new.failures == []
    assert kept.failures == []
    assert len(new.seconds) > 200 and len(kept.seconds) > 200
    _nobody_waits_for_the_last_pod(kubectl, namespace)


def test_nobody_waits_for_the_only_server_that_there_may_be(new_stack: Deploy, kubectl: Kubectl) -> None:
    with deploy(new_stack, kubectl, configurations.sqlite(unique_name(), server=DRAINED), {}) as deployed:
        _nobody_waits_for_the_last_pod(kubectl, deployed.namespace)


def _nobody_waits_for_the_last_pod(kubectl: Kubectl, namespace: str) -> None:
    """Who connects while it ends is answered or refused, and does not wait for an address that nobody has any more."""
    target, gone = load.Target.service(kubectl, namespace), threading.Event()
    where, pods = ("--namespace", namespace), [pod_name(pod) for pod in kubectl.pods(namespace)]

    def connect(_: int) -> None:
        socket.create_connection((target.address, target.port), timeout=5).close()

    with ThreadPoolExecutor() as pool:
        connections = pool.submit(load.new_connections, connect, gone, 20)
        try:
            kubectl.text("scale", "deployment", "mlflow-server", "--replicas=0", *where)
            kubectl.wait("delete", "pod", *pods, *where)
            gone.wait(2)
        finally:
            gone.set()
        seen = connections.result()
    assert len(seen.seconds) > 20
    assert seen.failures and all("ConnectionRefusedError" in failure for failure in seen.failures)
