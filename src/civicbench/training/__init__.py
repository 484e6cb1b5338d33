"""Training: settings, checks before the first step, the TRL trainer, checkpoints."""
