"""What others say of generated configurations: Kubernetes' own schemas and Pod Security, kube-score, and our own rules."""
