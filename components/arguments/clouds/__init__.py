"""The clouds on which parts of a deployment are created: account, network and cluster, and how each cloud spells its names."""
