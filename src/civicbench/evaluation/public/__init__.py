"""Public suites: items of pinned files, read where they are asked and never kept here."""
