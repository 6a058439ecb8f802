"""One MLflow deployment from the configuration of the stack."""

import asyncio
import gc
import sys
from importlib import import_module
from pathlib import Path

# This process ends in seconds. Looking for garbage among the classes of the SDKs takes longer than all else, and finds none.
gc.disable()

import pulumi  # noqa: E402

CREATED_BY = {
    "aws": ("rds", "aurora", "awsBucket"),
    "gcp": ("cloudSql", "gcpBucket"),
    "azure-native": ("azureFlexibleServer", "azureContainer"),
}
"""Keys of the configuration that create something on a cloud, by its provider."""


async def main() -> pulumi.Inputs:
    """Start the providers while Python imports the components, then deploy.

    Returns:
        The outputs of the stack.
    """
    starting = asyncio.gather(*map(start, providers()), return_exceptions=True)
    # The SDKs are imported in this step, lest two threads import the same modules.
    await asyncio.sleep(0)
    await asyncio.to_thread(import_module, "components")

    from components import MlflowDeployment, load_arguments

    mlflow = MlflowDeployment("mlflow", load_arguments())
    # Python looks for garbage once more when it ends, whether it may or not.
    gc.freeze()
    await starting
    return {
        "namespace": mlflow.namespace,
        "serviceName": mlflow.service_name,
        "servicePort": mlflow.service_port,
        "trackingUri": mlflow.tracking_uri,
        "deploymentName": mlflow.deployment_name,
        "admin": mlflow.admin,
    }


def providers() -> list[str]:
    """Those that the deployment uses, as far as a look at the configuration tells."""
    created = "".join(str(pulumi.runtime.get_config(f"mlflow:{block}")) for block in ("database", "artifacts"))
    clouds = [name for name, keys in CREATED_BY.items() if any(f'"{key}"' in created for key in keys)]
    # What is created has a random password, or a random part in its name.
    return ["kubernetes", *clouds, *(["random"] if clouds else [])]


async def start(provider: str) -> None:
    """Have the engine start a provider that it would start, one after the other, at their first resources.

    The engine starts and configures it before it asks for a function, and so it is asked for one that no provider has. What goes
    wrong (no SDK, no credentials) is left to the resources, which tell it better.
    """
    sdk = import_module(f"pulumi_{provider.replace('-', '_')}._utilities").get_resource_opts_defaults()
    release = pulumi.InvokeOptions(version=sdk.version, plugin_download_url=sdk.plugin_download_url)
    await pulumi.runtime.invoke_async(f"{provider}:index:start", {}, release)


# `main` runs after this file, when this folder is no longer among those where Python looks for modules.
sys.path.insert(0, str(Path(__file__).resolve().parent))
pulumi.run(main)
