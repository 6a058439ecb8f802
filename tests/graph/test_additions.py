"""What other parts of the deployment add to the server's pods, and a proxy in front of the server."""

import pulumi
import pulumi_kubernetes as k8s

from components import to_arguments
from components.contracts import ArtifactStore, DatabaseConnection, Engine, WorkloadIdentity
from components.pods.backend_store import backend_store
from components.pods.objects import Additions, Scope, plain_environment
from components.pods.server import PORT_NAME, deployment, drain
from components.pods.stores import stores
from tests.configurations import DEV, changed
from tests.graph.program import run

VOLUME = k8s.core.v1.VolumeArgs(name="extra", empty_dir=k8s.core.v1.EmptyDirVolumeSourceArgs())
MOUNT = k8s.core.v1.VolumeMountArgs(name="extra", mount_path="/extra")


def test_additions_reach_the_pod_and_a_proxy_is_the_only_way_in() -> None:
    def program() -> None:
        args = to_arguments(changed(DEV, "server.env", {"OF_USER": "user"}))
        scope = Scope(
            name="mlflow",
            namespace="mlflow",
            args=args,
            identity=WorkloadIdentity(),
            parent=pulumi.ComponentResource("t:t:T", "t"),
            environment=plain_environment(args.server.env),
        )
        backend = backend_store(scope, DatabaseConnection(engine=Engine.SQLITE, path="/x/mlflow.db"))
        data = stores(scope, backend, ArtifactStore(destination="s3://b"))
        proxy = k8s.core.v1.ContainerArgs(
            name="proxy",
            image="proxy:1",
            ports=[k8s.core.v1.ContainerPortArgs(name=PORT_NAME, container_port=4180)],
            lifecycle=drain(scope),
        )
        parts = [
            Additions(
                arguments=["--app-name=basic-auth"],
                environment=plain_environment({"DO_NOT_TRACK": "part", "OF_USER": "part"}),
                mounts=[MOUNT],
                volumes=[VOLUME],
                init_containers=[k8s.core.v1.ContainerArgs(name="first", image="first:1")],
            ),
            Additions(containers=[proxy], proxy_port=4180),
        ]
        deployment(scope, data, {}, [], parts)

    pod = run(program).one("apps/v1:Deployment").pod["spec"]
    server, proxy = pod["containers"]
    assert server["args"] == ["--host=127.0.0.1", "--port=5000", "--workers=1", "--app-name=basic-auth"]
    assert "ports" not in server and proxy["ports"] == [{"name": "http", "containerPort": 4180}]
    assert {server[f"{kind}Probe"]["httpGet"]["port"] for kind in ("startup", "liveness", "readiness")} == {4180}
    environment = {variable["name"]: variable.get("value") for variable in server["env"]}
    assert environment["DO_NOT_TRACK"] == "part" and environment["OF_USER"] == "user"
    assert "$(POD_IP):4180" in str(environment["MLFLOW_SERVER_ALLOWED_HOSTS"])
    assert {"name": "extra", "mountPath": "/extra"} in server["volumeMounts"]
    assert {"name": "extra", "emptyDir": {}} in pod["volumes"]
    assert [container["name"] for container in pod["initContainers"]] == ["first", "migration"]
