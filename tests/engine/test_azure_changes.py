"""A replaced identity on Azure, whose management lock forbids to delete what the former one was granted. Only the parts on Azure are made,
so that no cluster is needed; the provider is a stand-in."""

from pathlib import Path

import pytest

from tests.configurations import AZURE, with_changes
from tests.support import azure_provider, parts
from tests.support.azure_provider import Azure
from tests.support.pulumi import cloud_stack
from toolchain.session import Session

pytestmark = pytest.mark.extended

PROGRAM = parts.program("azure", "identity", "artifacts", "grant")


def test_a_replaced_identity_is_granted_the_container_in_spite_of_the_lock(
    session: Session, unreachable: Path, tmp_path: Path
) -> None:
    cloud = Azure({})
    with (
        azure_provider.serve(cloud) as variables,
        cloud_stack(session, "azure-native", tmp_path, unreachable, program=PROGRAM, variables=variables) as stack,
    ):

        def up(**identity: str) -> None:
            values = with_changes(AZURE, {"identity.azureWorkloadIdentity": identity, "deletionProtection": protected})
            parts.give(stack, values)
            stack.up().succeeded()

        protected = True
        up(name="first")
        up(name="second")
        (identity,) = cloud.of("UserAssignedIdentity")
        assert identity["name"] == "second"
        assert identity["principalId"] in [grant["principalId"] for grant in cloud.of("RoleAssignment")]
        stack.preview("--expect-no-changes").succeeded()
        protected = False
        up(name="second")
        up(name="third")
        assert cloud.of("ManagementLockByScope") == []
        stack.destroy().succeeded()
        assert cloud.made == {}
