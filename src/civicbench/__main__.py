"""`python -m civicbench`."""

from civicbench.cli import main

main()
