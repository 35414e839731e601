"""`python -m faasbridge` is the command line."""

from .cli import main

main()
