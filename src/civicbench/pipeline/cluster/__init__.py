"""Recipes on a cluster: what is launched, and what each job checks before it works."""
