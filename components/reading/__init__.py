"""From the user's input to typed arguments: stack configuration, conversion, error messages, JSON schema."""
