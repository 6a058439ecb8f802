"""One MLflow deployment from the configuration of the stack."""

import pulumi
from pulumi_mlflow import MlflowDeployment, load_arguments

mlflow = MlflowDeployment("mlflow", load_arguments())

pulumi.export("trackingUri", mlflow.tracking_uri)
pulumi.export("forwardCommand", mlflow.forward_command)
