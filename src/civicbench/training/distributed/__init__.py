"""How several processes share the training of one model."""
