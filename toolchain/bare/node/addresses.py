"""Names and addresses of the built-in node. All of the network lies in 10.213.0.0/16."""

NAME = "mlflow-local"
"""Name of the node, of the cluster and of the kubeconfig context."""

NETWORK = "10.213.0.0/16"
HOST = "10.213.0.1"
NODE = "10.213.0.2"
LINK_PREFIX = 30
SERVICES = "10.213.64.0/18"
API_SERVICE = "10.213.64.1"
DNS_SERVICE = "10.213.64.10"
PODS = "10.213.128.0/17"
API_PORT = 6443
DOMAIN = "cluster.local"

LINK = "mlflow-node"
"""The host's end of the link to the node."""
