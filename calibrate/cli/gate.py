"""The command that judges a campaign, for continuous integration."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from calibrate.cli import complete
from calibrate.cli.console import out
from calibrate.cli.help import Commands, examples
from calibrate.cli.options import asked_need
from calibrate.errors import CrosswattError

commands = Commands()

_INIT = "Write it as: crosswatt gate --init FOLDER --out gate.toml"


@commands.command(
    epilog=examples(
        "crosswatt gate --init first --out gate.toml --need 5%",
        'crosswatt gate --init first --out gate.toml --accept "as in the study"',
        "crosswatt gate second --policy gate.toml",
        "crosswatt gate second --policy gate.toml --output junit=gate.xml",
    )
)
def gate(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="The folder of the campaign to judge.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="The rules, TOML.")
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            "--init", metavar="FOLDER", help="Write a policy from the campaign in this folder."
        ),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The file to write: with --init the policy, else the judgement.",
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="FORM",
            help="text, markdown, junit, sarif, json, github (annotations) or badge (shields.io).",
            autocompletion=complete.gate_forms,
        ),
    ] = "text",
    outputs: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            metavar="FORM=FILE",
            help="Write the judgement in this form, too; may be repeated.",
        ),
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(
            "--report",
            metavar="ADDRESS",
            help="Where the report of the campaign is; by default the file in its folder.",
        ),
    ] = None,
    need: Annotated[
        str | None,
        typer.Option(
            "--need",
            metavar="SHARE",
            help="With --init: the error that is admitted; by default the campaign's need, or 5%.",
        ),
    ] = None,
    accept: Annotated[
        str | None,
        typer.Option(
            "--accept",
            metavar="WHY",
            help="With --init: take columns that fail as they are, and keep this reason.",
        ),
    ] = None,
    consistency: Annotated[
        bool,
        typer.Option(
            "--consistency",
            help="With --init: admit a reference that reads the same source as a probe.",
        ),
    ] = False,
) -> int:
    """Judge a campaign by a policy: pass, fail or inconclusive.

    The exit code says which. Each rule has a figure with its interval, a reason, and what to do
    next, in a form for people or for what a CI system reads. With --init, write the policy: every
    column of every probe is to agree with the reference within the need, on the machine of the
    campaign. A campaign that fails its own policy is refused, or taken as it is with --accept.
    """
    from calibrate import analysis, store
    from calibrate import gate as gates

    if init:
        if target is None or folder or policy or outputs or report or form != "text":
            raise CrosswattError(_INIT)
        return _init(init, target, asked_need(need), accept, consistency=consistency)
    if need or accept or consistency:
        raise CrosswattError(f"--need, --accept and --consistency are for a new policy. {_INIT}")
    if folder is None or policy is None:
        raise CrosswattError("Write it as: crosswatt gate FOLDER --policy gate.toml")
    files = _files(form, target, outputs or ())
    rules = gates.load(policy)
    found = gates.judged(analysis.analyze(folder, rules.reference), rules, policy, report or "")
    for name, path in files:
        store.write(path, gates.write_form(found, name))
    if target is None:
        sys.stdout.write(gates.write_form(found, form))
    else:
        out.print(f"{found.state}: {found.counts}. Written: {target}", markup=False)
    return gates.EXIT[found.state]


def _files(form: str, target: Path | None, outputs: Sequence[str]) -> list[tuple[str, Path]]:
    """Return the files that are to be written, each with its form, before anything is judged."""
    from calibrate.errors import UnknownName
    from calibrate.gate import FORMS

    files = [] if target is None else [(form, target)]
    for each in outputs:
        name, equals, path = each.partition("=")
        if not equals or not path:
            raise CrosswattError(f"{each!r} names no file; write --output junit=gate.xml")
        files.append((name, Path(path)))
    for name in (form, *(name for name, _ in files)):
        if name not in FORMS:
            raise UnknownName("form of a judgement", name, FORMS)
    return files


def _init(
    folder: Path, target: Path, need: float | None, accept: str | None, *, consistency: bool
) -> int:
    """Write a policy, and say what it cannot decide yet."""
    from calibrate import analysis, store
    from calibrate import gate as gates

    if accept is not None and not accept.strip():
        raise CrosswattError('Say why, for whoever reads the policy: --accept "why".')
    if target.exists():
        raise CrosswattError(f"{target} exists; choose another --out.")
    found = analysis.analyze(folder)
    policy, rulings = gates.propose(found, need, accept, consistency=consistency)
    store.write(target, gates.policy_text(policy))
    for each in rulings:
        if each.state != "pass" or any(
            rule.accepted and (rule.name, rule.column) == (each.probe, each.column)
            for rule in policy.probe
        ):
            out.print(each.line, markup=False)
    out.print(f"Policy: {target}", markup=False)
    return 0
