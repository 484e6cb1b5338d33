"""Jobs on a Slurm cluster: profile, script, submission, states."""
