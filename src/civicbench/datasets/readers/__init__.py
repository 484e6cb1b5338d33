"""Readers of what public bodies publish: one small file per format.

Every reader is a settings class; `settings.ReaderSettings` is their union. A reader yields
`Record` and `Malformed` in the order of the file. It refuses a file that is of another format.
"""
