"""The Kubernetes half: reads the contracts, knows pods, and knows nothing of clouds."""
