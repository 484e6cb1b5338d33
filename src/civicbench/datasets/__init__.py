"""Datasets: sources, curation steps, splits and snapshots."""
