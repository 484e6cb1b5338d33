"""Ed25519 keys of people: made, locked with a passphrase, used, and checked."""
