"""What exists already: taken as it is, never changed or deleted."""
