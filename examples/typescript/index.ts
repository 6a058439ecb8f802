import * as pulumi from "@pulumi/pulumi";
import { MlflowDeployment } from "@pulumi/mlflow-deployment";

// pulumi config set --secret kekPassphrase "$(openssl rand -hex 32)"
const config = new pulumi.Config();

const mlflow = new MlflowDeployment("mlflow", {
    namespace: "mlflow-typescript",
    database: { sqlite: {} },
    artifacts: { volume: { sizeGb: 10 } },
    keys: { kekPassphrase: config.requireSecret("kekPassphrase") },
});

export const trackingUri = mlflow.trackingUri;
export const forwardCommand = mlflow.forwardCommand;
