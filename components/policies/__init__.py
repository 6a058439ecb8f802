"""The policy pack: what `components.protection` knows, as rules for `pulumi preview --policy-pack` on any program."""
