"""Who started a campaign: what a folder names is run only where this user started it.

``campaign.json`` names programs: scripts of workloads, adapters of probes, interpreters, commands.
A folder from somewhere else could name any. A campaign that is started here gets a code of its
``campaign.json`` (HMAC-SHA256) made with a key of this user, which lies outside of the folder.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from calibrate import store
from calibrate.errors import BadFile, CrosswattError
from calibrate.probe.available import data_home
from calibrate.scratch import new_file
from calibrate.store import CampaignRecord
from calibrate.tokens import masked

#: The file of the code, in the folder of a campaign.
SIGNATURE = "started.hmac"
#: Titles of campaigns to which Python code adds run by run, the present one first; see `session`.
PYTHON_TITLES = ("python", "notebook")
_KEY = "key"
_KEY_BYTES = 32


def sign_campaign(folder: Path) -> None:
    """Note that this user started a campaign; without a folder for the key nothing is noted."""
    with suppress(OSError):
        store.write(folder / SIGNATURE, _code(folder, _own_key()) + "\n")


def is_own_campaign(folder: Path) -> bool:
    """Tell whether this user started a campaign, and ``campaign.json`` is as it was then."""
    try:
        noted = store.read_text(folder / SIGNATURE, 200).strip()
        return hmac.compare_digest(noted.encode(), _code(folder, _read_key()).encode())
    except (OSError, BadFile):
        return False


def require_own_campaign(folder: Path) -> None:
    """Refuse to run what a folder names, unless this user started the campaign.

    Raises
    ------
    CrosswattError : it is from somewhere else; says what it would run.
    """
    record = store.read(folder / store.CAMPAIGN, CampaignRecord)
    if record.plan.get("title") in PYTHON_TITLES:
        raise CrosswattError(
            f"{folder} was made in Python: go on by calibrate.measure or %%crosswatt with this "
            "folder, or read it with 'crosswatt analyze'."
        )
    if not is_own_campaign(folder):
        raise CrosswattError(
            f"{folder} was not started here by you, or its campaign.json was changed. It would "
            f"run: {'; '.join(programs(record))}. If you trust all of them, add --trust."
        )


def programs(record: CampaignRecord) -> Iterator[str]:
    """Yield each program that a campaign runs, once, as it would be typed."""
    commands = [
        *((each.python, each.adapter) for each in record.sources),
        *((job.script,) if job.script else job.arguments for job in record.jobs),
    ]
    for words in dict.fromkeys(tuple(words) for words in commands if words):
        yield shlex.join(masked(words))


def _code(folder: Path, key: bytes) -> str:
    with store.open_file(folder / store.CAMPAIGN) as file:
        return hmac.new(key, file.read(), hashlib.sha256).hexdigest()


def _own_key() -> bytes:
    """Return the key of this user, made where there is none that can be read."""
    with suppress(OSError):
        return _read_key()
    path = data_home() / _KEY
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, made = new_file(path)
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
        file.flush()
        os.fsync(handle)
        if path.exists() and path.stat().st_size != _KEY_BYTES:
            path.unlink()  # of a process that was killed while it made it
        with suppress(FileExistsError):  # somebody else was faster
            path.hardlink_to(made)
        made.unlink()
    return _read_key()


def _read_key() -> bytes:
    key = (data_home() / _KEY).read_bytes()
    if len(key) != _KEY_BYTES:
        raise OSError(f"{data_home() / _KEY} is no key")
    return key
