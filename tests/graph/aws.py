"""What AWS adds to the resources that are made there."""

from collections.abc import Mapping
from typing import Any

ACCOUNT, REGION = "111122223333", "eu-central-1"


def computed(kind: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs of a resource that are not among its inputs.

    Args:
        kind: Pulumi's type of the resource.
        name: Name of the resource.
        inputs: Its inputs.
    """
    service, _, what = kind.removeprefix("aws:").partition(":")
    module, short = service.partition("/")[0], what
    called = f"{name}-1a2b3c4"
    found: dict[str, Any] = {"region": REGION}
    if short == "Bucket":
        called = inputs.get("bucket") or called
        return {**found, "bucket": called, "arn": f"arn:aws:s3:::{called}"}
    if module == "rds":
        host = f"{called}.abcdefghijkl.{REGION}.rds.amazonaws.com"
        found |= {"address": host, "endpoint": host}
    if "name" not in inputs:
        found["name"] = called
    return {**found, "arn": f"arn:aws:{module}:{REGION}:{ACCOUNT}:{short.lower()}/{called}", "keyId": "1234abcd-12ab"}
