"""What holds data, and what protects it, by the types of resources of the clouds and of Kubernetes.

Told of any Pulumi program, not only of this component's resources: `pulumi-mlflow gate` asks whether a change loses one of these, and
the policy pack whether a resource has it. Imports nothing but the standard library, so that both run without the clouds' SDKs.
"""

from .holders import SECRET, UNKNOWN, held_by, plain_type
from .settings import GUARDS, SETTINGS, Setting, value_at

__all__ = ["GUARDS", "SECRET", "SETTINGS", "UNKNOWN", "Setting", "held_by", "plain_type", "value_at"]
