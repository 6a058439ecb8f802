"""What a preview of each cloud's production stack costs, over the least with the same providers."""

import contextlib
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cluster import Bench, UnavailableError
from bench.metrics import Goal, Metric, ratio
from bench.previews import ROUNDS, in_turns
from tests.configurations import own_values
from tests.support import aws, azure_provider, gcp
from tests.support.kubernetes import unique_name
from tests.support.pulumi import cloud_stack
from toolchain.environments import stack_file
from toolchain.paths import ROOT

FLOOR = """
import pulumi
import pulumi_kubernetes as k8s
import pulumi_random as random
{imports}

options = pulumi.ResourceOptions(parent=pulumi.ComponentResource("bench:index:Empty", "floor"))
k8s.core.v1.ConfigMap("floor", data={{"key": "value"}}, opts=options)
random.RandomPassword("floor", length=32, opts=options)
{resource}
"""
"""An empty component and one resource of each provider that the production stack uses."""

AGAINST = "a program with one resource of each of the same three providers"


@dataclass(frozen=True)
class Cloud:
    """What is previewed.

    Attributes:
        plugin: Name of the cloud's provider.
        file: The production stack's file.
        imports, resource: The cloud's lines of the floor's program.
        emulated: Runs what answers the provider; yields environment variables and configuration of the provider.
    """

    plugin: str
    file: Path
    imports: str
    resource: str
    emulated: Callable[[Bench], contextlib.AbstractContextManager[tuple[Mapping[str, str], Mapping[str, Any]]]]

    def configuration(self, emulated: Mapping[str, Any]) -> dict[str, Any]:
        """The stack file's, with what leads to the emulated API in place of the account."""
        return {**own_values(self.file), "namespace": unique_name(), **emulated}


@contextlib.contextmanager
def _aws(bench: Bench) -> Iterator[tuple[Mapping[str, str], Mapping[str, Any]]]:
    host = str(bench.session.host_address)
    with aws.serve(host, bench.new_folder(), bench.postgresql, bench.mariadb) as cloud:
        yield cloud.variables, cloud.configuration


@contextlib.contextmanager
def _gcp(bench: Bench) -> Iterator[tuple[Mapping[str, str], Mapping[str, Any]]]:
    with gcp.serve(gcp.Cloud(servers={}, objects="")) as cloud:
        yield {}, {**cloud.configuration, "gcp:project": gcp.PROJECT, "gcp:region": gcp.REGION}


@contextlib.contextmanager
def _azure(bench: Bench) -> Iterator[tuple[Mapping[str, str], Mapping[str, Any]]]:
    with azure_provider.serve(
        azure_provider.Azure({"azure-native:dbforpostgresql:Server": "db.example.com"})
    ) as variables:
        yield variables, {}


CLOUDS = (
    Cloud("aws", stack_file("prod"), "from pulumi_aws import s3", 's3.Bucket("floor", opts=options)', _aws),
    Cloud(
        "gcp",
        ROOT / "examples" / "Pulumi.prod-gcp.yaml",
        "from pulumi_gcp import storage",
        'storage.Bucket("floor", location="EU", opts=options)',
        _gcp,
    ),
    Cloud(
        "azure-native",
        ROOT / "examples" / "Pulumi.prod-azure.yaml",
        "from pulumi_azure_native import managedidentity",
        'managedidentity.UserAssignedIdentity("floor", resource_group_name="floor", opts=options)',
        _azure,
    ),
)


def over_floor(bench: Bench) -> list[Metric]:
    """The preview of each production stack over the floor's, in turns."""
    return [_metric(bench, cloud) for cloud in CLOUDS]


def _metric(bench: Bench, cloud: Cloud) -> Metric:
    if cloud.plugin not in bench.session.cloud_paths:
        raise UnavailableError(bench.session.cloud_problems.get(cloud.plugin, f"there is no {cloud.plugin}"))
    with contextlib.ExitStack() as stacks:
        variables, emulated = stacks.enter_context(cloud.emulated(bench))

        def stack(**options: Any) -> Any:
            where = bench.new_folder(), bench.kubectl.kubeconfig
            made = cloud_stack(bench.session, cloud.plugin, *where, variables=variables, measured=True, **options)
            return stacks.enter_context(made)

        production = stack().configure(cloud.configuration(emulated))
        floor = stack(program=FLOOR.format(imports=cloud.imports, resource=cloud.resource)).configure(emulated)
        seconds = in_turns({"production": production, "floor": floor}, ROUNDS)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return ratio(
        f"preview_over_floor_{cloud.plugin.split('-')[0]}",
        seconds["production"],
        seconds["floor"],
        AGAINST,
        Goal(1.5),
        seconds=medians["production"],
        floor_seconds=medians["floor"],
    )
