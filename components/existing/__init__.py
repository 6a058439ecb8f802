"""Existing databases, artifact stores and identities: used as they are, never changed or deleted."""
