"""Statistics for one model and for two on the same items."""
