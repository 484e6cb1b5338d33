"""Curation steps: one small file each; `settings.StepSettings` is their union.

A row step looks at one row at a time, in any process; a whole step decides over all rows, from a
short key of each.
"""
