"""The rules, in the form of Pulumi's policy SDK: https://www.pulumi.com/docs/insights/policy/policy-packs/authoring/."""

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from ..protection import SETTINGS, UNKNOWN, Setting

NAME = "pulumi-mlflow"


def serve() -> PolicyPack:
    """Register the rules with the engine, which this blocks until it ends."""
    return PolicyPack(NAME, [_policy(each) for each in SETTINGS])


def _policy(setting: Setting) -> ResourceValidationPolicy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        rank = setting.of(args.resource_type, _plain(args.props))
        if rank is not None and rank < setting.least:
            report(
                f"{setting.path + ': ' if setting.path else ''}{setting.what}: off, or too weak. {setting.fix}", None
            )

    return ResourceValidationPolicy(
        name=setting.name,
        description=f"Keeps {setting.what}.",
        validate=validate,
        enforcement_level=EnforcementLevel.MANDATORY if setting.mandatory else EnforcementLevel.ADVISORY,
    )


def _plain(value: Any) -> Any:
    """A value without the SDK's wrappers, in which asking for what a preview does not know raises."""
    if isinstance(value, Mapping):
        return {key: _item(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_item(value, place) for place in range(len(value))]
    return value


def _item(values: Any, key: Any) -> Any:
    try:
        return _plain(values[key])
    except UnknownValueError:
        return UNKNOWN
