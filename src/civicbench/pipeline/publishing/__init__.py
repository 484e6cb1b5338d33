"""Ways out: a registered version as a Hugging Face repository, in MLflow, or in W&B."""
