"""How the objects of a deployment are found in the cluster: by the component when it makes them, and by the command line later."""

APPLICATION, INSTANCE, COMPONENT = (f"app.kubernetes.io/{what}" for what in ("name", "instance", "component"))
"""Labels of every object: `mlflow`, the name of the deployment, and which kind of pod."""

SERVER = "server"
MIGRATION = "migration"
GARBAGE_COLLECTION = "garbage-collection"
BACKUP = "backup"
BACKUP_DRILL = "backup-drill"
RESTORE = "restore"

SERVER_CONTAINER = "mlflow"
"""The container of a server's pod that runs MLflow."""


def instance(deployment: str) -> dict[str, str]:
    """Labels that all objects of a deployment have.

    Args:
        deployment: Its name.
    """
    return {APPLICATION: "mlflow", INSTANCE: deployment}


def selector(deployment: str, component: str = SERVER) -> dict[str, str]:
    """Labels that select exactly the pods of one kind: every other pod has another `component`.

    Args:
        deployment: Name of the deployment.
        component: Which kind of pod.
    """
    return {**instance(deployment), COMPONENT: component}
