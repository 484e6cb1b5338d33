"""What every room may use: errors, digests, files, settings, workspace, stages, progress."""
