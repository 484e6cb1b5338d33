"""The parts of `verify.py`, the one file that checks a dossier with nothing but Python.

Each part imports the standard library and the parts before it only; `assembling` joins them.
"""
