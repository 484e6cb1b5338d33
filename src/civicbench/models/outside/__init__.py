"""Models that were trained elsewhere: looked at as data, file by file, before any is loaded."""
