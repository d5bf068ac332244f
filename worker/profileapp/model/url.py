"""The allowed syntax of dataset URLs: an allow-list of plain URLs, not a list of known tricks."""

from __future__ import annotations

import re

URL_SCHEMES = ("https", "http", "s3", "gs")
"""Allowed schemes of a dataset's URL; the last two use fsspec."""
URL_LIMIT = 2000

_PATH = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*"
_QUERY = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]{{2,45}}\])"
_PORT = r"(?::(?:[1-9][0-9]{0,4}))?"
_HTTP = re.compile(rf"https?://{_HOST}{_PORT}(?:/{_PATH})?(?:\?{_QUERY})?")
# No characters that are special to fsspec: `::` chains file systems, `*`, `?` and `[` match names, `#` and `%` are not
# decoded. Source: fsspec documentation, "URL chaining".
_BUCKET = re.compile(r"(?:s3|gs)://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]/[A-Za-z0-9!_.'()+=,@ /-]*[A-Za-z0-9!_.'()+=,@-]")


def url_problem(url: str) -> str:
    """The problem with the syntax of a URL, as a continuation of its name; "" if it is valid."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in URL_SCHEMES:
        return f", but must be a URL of {', '.join(URL_SCHEMES)}"
    if len(url) > URL_LIMIT:
        return f", but must have at most {URL_LIMIT} characters"
    authority = rest.partition("/")[0]
    if "@" in authority:
        return ", but must not contain a user or password, which would be stored in the artifacts"
    if scheme in ("s3", "gs"):
        segments = rest.split("/")
        if not _BUCKET.fullmatch(url) or ".." in segments or "" in segments:
            return f", but must be {scheme}://BUCKET/KEY, of letters, digits and ! _ . ' ( ) + = , @ - only"
        return ""
    port = authority.rpartition(":")[2] if not authority.endswith("]") else ""
    if not _HTTP.fullmatch(url) or (port.isdecimal() and int(port) > 65535):
        return f", but must be {scheme}://HOST/PATH, with other characters encoded as %XX"
    return ""
