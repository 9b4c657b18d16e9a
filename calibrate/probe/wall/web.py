"""HTTP as meters need it: one host, a time limit, a small answer, no redirect to elsewhere."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    HTTPRedirectHandler,
    HTTPSHandler,
    ProxyHandler,
    Request,
    build_opener,
)

from calibrate.probe.wall.meter import Settings, need, secret

_SAMPLE = re.compile(r"^(\w+)(?:\{([^}]*)\})? (\S+)$", re.M)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_MOST_BYTES = 1 << 20
_TIMEOUT_S = 2.0


class _SameHost(HTTPRedirectHandler):
    """Follow a redirect only within the host that the user named."""

    def redirect_request(self, req: Request, *rest: Any) -> Request | None:
        where = urlsplit(str(rest[-1]))
        if (where.scheme, where.netloc) != (urlsplit(req.full_url).scheme, req.host):
            raise OSError(f"the meter sends us elsewhere, to {where.netloc}")
        return super().redirect_request(req, *rest)


class Web:
    """One address of a meter.

    Parameters
    ----------
    settings : ``address`` (``http://192.168.1.40``); ``user`` and ``password_env``, or
        ``token_env``; ``timeout_s``; ``tls=insecure`` for a certificate that nobody signed.
    """

    def __init__(self, settings: Settings) -> None:
        self._base = need(settings, "address").rstrip("/") + "/"
        parts = urlsplit(self._base)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"wall.address is {self._base!r}; write it as http://192.168.1.40")
        if parts.username or parts.password:
            raise ValueError("wall.address holds a password; use wall.user and wall.password_env")
        self._timeout_s = float(settings.get("timeout_s", _TIMEOUT_S))
        token, password = secret(settings, "token"), secret(settings, "password")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        passwords = HTTPPasswordMgrWithDefaultRealm()
        if password is not None:
            passwords.add_password(None, self._base, settings.get("user", ""), password)
        context = ssl.create_default_context()
        if settings.get("tls") == "insecure":
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._opener = build_opener(
            ProxyHandler({}),  # a meter is near, and no proxy's business
            _SameHost(),
            HTTPSHandler(context=context),
            HTTPBasicAuthHandler(passwords),
            HTTPDigestAuthHandler(passwords),
        )

    def text(self, path: str) -> str:
        """Return an answer.

        Raises
        ------
        OSError : no answer, or a refusal.
        ValueError : more than a meter has to say, or no text.
        """
        request = Request(urljoin(self._base, path.lstrip("/")), headers=self._headers)  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                text: bytes = answer.read(_MOST_BYTES + 1)
        except HTTPError as error:
            raise OSError(f"{path} is answered with {error.code} {error.reason}") from None
        if len(text) > _MOST_BYTES:
            raise ValueError(f"the answer to {path} has more than {_MOST_BYTES} bytes")
        return text.decode("utf-8", "replace")

    def get(self, path: str) -> Any:
        """Return a JSON answer.

        Raises
        ------
        OSError, ValueError : as `text`, or it is not JSON.
        """
        text = self.text(path)
        try:
            return json.loads(text)
        except ValueError:
            raise ValueError(f"the answer to {path} is not JSON: {text[:80]!r}") from None


def samples(text: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield name, labels and value, as it is written, of a page in Prometheus' text format."""
    for name, labels, value in _SAMPLE.findall(text):
        yield name, dict(_LABEL.findall(labels)), value


def pick(document: Any, *path: str | int) -> Any:
    """Return a part of a JSON document, or refuse with the place where it ends.

    Raises
    ------
    ValueError : it is not there.
    """
    for depth, key in enumerate(path):
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            told = ".".join(map(str, path[: depth + 1]))
            raise ValueError(f"the answer has no {told}") from None
    return document
