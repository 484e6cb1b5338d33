"""The scorer: what prompts share is computed once, for choices and for written answers."""
