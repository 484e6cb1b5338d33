"""Evaluation reports: models side by side, with every answer that changed."""
