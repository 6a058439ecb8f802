"""How clients reach the server and who may use it: authentication, Service, Ingress, routes, network policies, RBAC."""
