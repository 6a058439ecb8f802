"""From what a user wrote to typed arguments: stack configuration, conversion, error messages, JSON schema."""
