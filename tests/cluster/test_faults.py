"""Faults of the cluster that `pulumi up` must explain."""

import pytest

from tests.support import configurations, postgresql, s3
from tests.support.fixtures import Deploy
from tests.support.kubernetes import unique_name

pytestmark = pytest.mark.extended


def test_an_image_that_cannot_be_pulled_is_named_with_the_reason(
    new_stack: Deploy, postgresql_server: postgresql.Server
) -> None:
    database, bucket = postgresql_server.database(), s3.Bucket("http://s3.example.com", "artifacts")
    image = {"repository": "registry.invalid/mlflow", "tag": "v0"}
    values = configurations.postgresql(unique_name(), database, bucket, image=image, migrationTimeoutSeconds=25)
    with new_stack() as stack:
        result = stack.configure(values, configurations.postgresql_secrets(database, bucket)).up().failed()
        assert "registry.invalid/mlflow:v0" in result.output
        assert "ErrImagePull" in result.output or "ImagePullBackOff" in result.output
        assert result.seconds < 600  # the default of the timeout is an hour


def test_a_server_that_ends_at_once_is_named_with_its_last_words(new_stack: Deploy) -> None:
    server = {"progressDeadlineSeconds": 20, "options": {"no-such-option": True}}
    with new_stack() as stack:
        output = stack.configure(configurations.sqlite(unique_name(), server=server)).up().failed().output
        assert "--no-such-option" in output
