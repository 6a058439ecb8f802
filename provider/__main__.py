"""The plugin as the engine starts it."""

from pulumi_mlflow.provider import serve

serve()
