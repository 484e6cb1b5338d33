"""Base models: the catalogue, fetching, verifying, loading, and the one chat rendering."""
