"""The registry: evidence, versions, gates, events and the content-addressed store."""
