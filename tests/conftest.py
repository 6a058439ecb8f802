"""Settings of all tests."""

import os

from hypothesis import HealthCheck, settings

# Time says nothing on a busy machine, examples are not kept between runs, and CI tries the same ones each time.
settings.register_profile(
    "project",
    deadline=None,
    database=None,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("project")
