"""The embedded provider's drivers: each writes to the store directly, from whichever process it is in."""
