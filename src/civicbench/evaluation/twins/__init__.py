"""Items that come in twos: what twins are, and what they show together."""
