"""Starting a run's processes: on this machine, or on a cluster."""
