"""Sweeps: one recipe with several settings and seeds, and a winner by a rule declared before."""
