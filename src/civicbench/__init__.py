"""Civicbench: fine-tuning and evaluation of open models for public-sector teams."""

__version__ = "0.1.0"
