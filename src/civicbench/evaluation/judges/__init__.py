"""Judges of written answers: rules, a trained classifier, a model; and how far people agree."""
