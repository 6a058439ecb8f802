"""One MLflow deployment from the configuration of the stack."""

import pulumi
from pulumi_mlflow import MlflowDeployment, load_arguments

mlflow = MlflowDeployment("mlflow", load_arguments())

pulumi.export("namespace", mlflow.namespace)
pulumi.export("serviceName", mlflow.service_name)
pulumi.export("servicePort", mlflow.service_port)
pulumi.export("trackingUri", mlflow.tracking_uri)
pulumi.export("deploymentName", mlflow.deployment_name)
pulumi.export("url", mlflow.url)
pulumi.export("forwardCommand", mlflow.forward_command)
pulumi.export("passwordCommand", mlflow.password_command)
pulumi.export("backupPasswordCommand", mlflow.backup_password_command)
pulumi.export("admin", mlflow.admin)
pulumi.export("readme", mlflow.readme)
