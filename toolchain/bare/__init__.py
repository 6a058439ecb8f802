"""What only a machine without Pulumi, cluster or registries needs: all of it is made here from package sources.

`golang` builds programs from Go modules (`go/`), `images` builds container images, `node` runs a real single-node Kubernetes
without a container engine, `debian` unpacks packages without installing them, and `emulators` has what tests put in place of
clouds' object stores.
"""
