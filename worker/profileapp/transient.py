"""Which faults pass by themselves: of the network, of a registry, of a server that is being restarted.

One place for all, without the libraries that raise them: they are known by what they carry.
"""

from __future__ import annotations

import errno
import re
import socket

_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_NUMBERS = frozenset(
    {
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EPIPE,
        errno.ETIMEDOUT,
    }
)
# SQLSTATE: 08 the connection, 40 a transaction that the server gave up, 53300 too many connections, 57P it shuts down.
_SQL_STATES = ("08", "40", "53300", "57P")

# What a daemon, a registry or a driver says in words alone. The first that is found decides, the lasting ones first.
_LASTING = re.compile(
    r"unauthorized|denied|forbidden|authentication|credentials|x509|certificate|manifest unknown|no matching manifest"
    r"|not found|does not exist|invalid reference|no such host|name or service not known|pg_hba",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"time-?out|timed out|deadline exceeded|temporary failure|try again|reset by peer|broken pipe|\bEOF\b"
    r"|connection refused|connection (?:was )?(?:closed|aborted)|network is unreachable|no route to host"
    r"|server misbehaving|too ?many ?requests|TLS handshake|request canceled|unexpected HTTP status:? (?:429|5\d\d)"
    r"|service unavailable|bad gateway|is the server running|starting up|shutting down|too many connections"
    r"|too many clients",
    re.IGNORECASE,
)


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help. What is not known to pass is taken to last."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        known = _verdict(one)
        if known is not None:
            return known
        one = one.__cause__ or one.__context__ or _reason(one)
    return is_transient_text(str(getattr(error, "explanation", None) or error))


def is_transient_text(text: str) -> bool:
    """The same of a message."""
    return not _LASTING.search(text) and bool(_PASSING.search(text))


def _verdict(error: BaseException) -> bool | None:
    """What a number that it carries says; None where it carries none."""
    state = getattr(error, "sqlstate", None)
    if state:
        return str(state).startswith(_SQL_STATES)
    # A registry's trouble is told by its daemon with a status of the daemon's own, 500: there the words decide.
    if getattr(error, "explanation", None):
        return is_transient_text(str(getattr(error, "explanation", "")))
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        return status in _STATUSES
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    if isinstance(error, TimeoutError):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _NUMBERS
    return None


def _reason(error: BaseException) -> BaseException | None:
    """What urllib3 and requests keep as an argument and not as a cause."""
    reason = getattr(error, "reason", None) or (error.args[0] if error.args else None)
    return reason if isinstance(reason, BaseException) else None
