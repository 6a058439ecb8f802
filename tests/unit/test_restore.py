"""Points in time, as people write them and as the clouds take them."""

import pytest

from components import AwsRestoreArgs
from tests.configurations import AWS, changed
from tests.unit.refusals import messages


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("2026-03-14T09:26:53Z", "2026-03-14T09:26:53Z"),
        ("2026-03-14 09:26:53z", "2026-03-14T09:26:53Z"),
        ("2026-03-14T01:26:53+02:00", "2026-03-13T23:26:53Z"),
        # As Pulumi hands on what is not quoted in a stack file.
        ("2026-03-14 09:26:53 +0000 UTC", "2026-03-14T09:26:53Z"),
        ("2026-03-14 11:26:53 +0200 +0200", "2026-03-14T09:26:53Z"),
        # To the second, never later.
        ("2026-03-14T09:26:53.999999Z", "2026-03-14T09:26:53Z"),
    ],
)
def test_the_clouds_are_given_utc_to_the_second(given: str, taken: str) -> None:
    args = AwsRestoreArgs(source="mlflow", point_in_time=given)
    assert args.time == taken
    assert args.origin == f"mlflow {taken}"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("2026-03-14T09:26:53", "has no time zone; add Z for UTC"),
        ("9026-03-14T09:26:53Z", "is in the future"),
        ("14.3.2026 9:26", "is not a date with a time of day; write for example 2026-"),
    ],
)
def test_what_is_wrong_with_a_time_is_told(given: str, told: str) -> None:
    (line,) = messages(changed(AWS, "database.rds.restore", {"source": "mlflow", "pointInTime": given}))
    assert line.startswith(f"database.rds.restore.pointInTime: {given!r} ") and told in line
