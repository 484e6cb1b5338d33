"""The record that the UK Algorithmic Transparency Recording Standard (ATRS) asks for."""
