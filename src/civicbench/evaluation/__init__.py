"""Evaluation: suites as lm-eval tasks, the scorer, statistics and comparison."""
