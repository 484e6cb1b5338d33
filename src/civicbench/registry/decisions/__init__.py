"""People and their roles, reviews, decisions and releases: what turns evidence into use."""
