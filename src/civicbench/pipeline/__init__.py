"""The one place where stages are put in order: plan, train, evaluate, register, document."""
