"""The command line.

app          the entry point: exit codes, and the sentences that end in them
commands     the table of commands; one is imported when it is used
options      options that several commands share, and what a letter means
complete     the values that a shell completes
help         how help looks, and examples
console      where commands print, and how they write tables and durations
stage        where a campaign runs: on this machine, or on a simulated one
progress     what a person sees while a campaign runs
reference    docs/cli.md, made from the commands
measure, doctor, plan, probes, bench, report, gate, correct, ingest, merge, conformance, studies,
agree, time  the commands, by subject
"""

from calibrate.cli.app import main

__all__ = ["main"]
