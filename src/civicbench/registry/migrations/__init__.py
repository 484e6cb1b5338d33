"""The database's history, one script a change; run by `registry.database.initialise` only."""
