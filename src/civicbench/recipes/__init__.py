"""Recipes: loading, overriding, validating and planning."""
