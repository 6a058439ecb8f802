"""Rules that concern several blocks of arguments, one theme per module. Checks of a single block stay with the block."""
