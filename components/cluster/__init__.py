"""The objects around the pods: Service, Ingress, routes, network policies, RBAC, scaling, monitoring, overrides."""
