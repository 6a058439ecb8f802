"""The tracking server: its options, environment, image, pods, keys, and how many of it there are."""
