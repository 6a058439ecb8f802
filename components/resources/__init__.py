"""Helpers for resources of any provider: a class that replaces their SDK's, and the refusal of database downgrades."""
