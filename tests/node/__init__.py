"""The life of the built-in node. Runs last and in a process of its own, since it stops the cluster that others use."""
