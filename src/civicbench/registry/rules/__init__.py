"""The kinds of rules that a gate is made of, and what each of them judges."""
