"""Personal data in text: what was found where, and texts without it."""
