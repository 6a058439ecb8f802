"""One MLflow deployment from the configuration of the stack."""

import gc

# This process ends in seconds. Looking for garbage among the classes of the SDKs takes longer than all else, and finds none.
gc.disable()

import pulumi  # noqa: E402

from components import MlflowDeployment, load_arguments  # noqa: E402

mlflow = MlflowDeployment("mlflow", load_arguments())

pulumi.export("namespace", mlflow.namespace)
pulumi.export("serviceName", mlflow.service_name)
pulumi.export("servicePort", mlflow.service_port)
pulumi.export("trackingUri", mlflow.tracking_uri)
pulumi.export("deploymentName", mlflow.deployment_name)
pulumi.export("admin", mlflow.admin)

# Python looks once more when it ends, whether it may or not.
gc.freeze()
