"""The command line.

app       the commands, and the exit codes
options   options that several commands share
"""

from calibrate.cli.app import main

__all__ = ["main"]
