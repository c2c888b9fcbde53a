"""Passwords in the address of a tracking store: removes them from what is kept and shown, and finds them again.

No file, message or log of ours holds a password. A resumed search gets it from the flag again, from
MLFLOW_TRACKING_URI if that names the same store, or from what MLflow itself reads (docs/faq.md). Light to import: no
MLflow.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote_plus

URI_VARIABLE = "MLFLOW_TRACKING_URI"
SERVER_VARIABLES = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_TOKEN")  # the first with MLFLOW_TRACKING_PASSWORD
SQLITE = "sqlite:///"
WEB = ("http", "https")
HIDDEN = "***"
SECRET_KEYS = re.compile(r"pass|pwd|secret|token|credential|odbc_connect", re.IGNORECASE)  # in a database's query
# As SQLAlchemy reads it: up to the first @, or a later one in the host's part; a password may contain a slash.
_DATABASE_USER = re.compile(r"([^@?#]*(?:@[^/@?#]*(?=@))*)@")
_ODBC_PASSWORD = re.compile(r"\bPWD=([^;]+)", re.IGNORECASE)
_ANY_USER = re.compile(r"(?<=://)[^@/\s]*@")


def public(uri: str) -> str:
    """The address without its password; a server's also without its user, which MLflow's own variables can name.

    A database's address keeps its user, which is needed beside a password from elsewhere.
    """
    scheme, user, rest = _parts(uri)
    if user is None and not any(map(_is_secret, _pairs(rest))):
        return uri
    name = (user or "").partition(":")[0]
    public_user = "" if scheme in WEB or not name else f"{name}@"
    return f"{scheme}://{public_user}{_without_query_secrets(rest)}"


def has_secret(uri: str) -> bool:
    """Whether the address contains a password, or a server's user."""
    return public(uri) != uri


def public_words(words: Sequence[str]) -> list[str]:
    """The words of a command line, with the passwords removed from all addresses, also from FLAG=ADDRESS."""
    shown = []
    for word in words:
        flag, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        shown.append(f"{flag}{equals}{public(value)}")
    return shown


def hide(text: str, uri: str) -> str:
    """The text with the secrets of the address replaced by ***, in any of their forms."""
    scheme, user, rest = _parts(uri)
    secrets = {pair.partition("=")[2] for pair in _pairs(rest) if _is_secret(pair)}
    name, _, password = (user or "").partition(":")
    secrets |= {password, name if scheme in WEB and not password else ""}  # a lone user of a server is a token
    forms = {form for secret in secrets for form in (secret, unquote_plus(secret))} - {""}
    forms |= {inner for form in forms for inner in _ODBC_PASSWORD.findall(form)}
    for secret in sorted(forms, key=len, reverse=True):
        text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])", HIDDEN, text)
    return _ANY_USER.sub("", text)  # users in other addresses: of a proxy, of the database behind a server


def with_password(uri: str, environment: Mapping[str, str]) -> str:
    """The address; or MLFLOW_TRACKING_URI if that is the same store and the address has no password."""
    named = environment.get(URI_VARIABLE, "")
    return named if named and not has_secret(uri) and _store(named) == _store(uri) else uri


def missing_password_variables(uri: str, environment: Mapping[str, str]) -> list[str]:
    """Environment variables that could supply the missing password; empty if there is one. MLflow has more sources."""
    names = [URI_VARIABLE, *(SERVER_VARIABLES if _parts(uri)[0] in WEB else ())]
    has_password = has_secret(uri) or any(environment.get(name) for name in names[1:])
    return [] if has_password else names


def database_file(uri: str) -> Path | None:
    """The file of an embedded database; None for a server or any other store."""
    if not uri.startswith(SQLITE):
        return None
    name = uri.removeprefix(SQLITE).partition("?")[0]
    return Path(name) if name and name != ":memory:" else None


def _store(uri: str) -> str:
    """The address without user and password: equal for two addresses of the same store."""
    scheme, _, rest = _parts(uri)
    return f"{scheme}://{_without_query_secrets(rest)}".rstrip("/")


def _parts(uri: str) -> tuple[str, str | None, str]:
    """(scheme, "user:password" as written or None, the rest)."""
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme in ("sqlite", "file"):
        return scheme, None, rest
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if scheme in WEB and ("@" in host or _is_host(host)):
        user, at, _ = host.rpartition("@")
        return scheme, user if at else None, rest[len(user) + len(at) :]
    match = _DATABASE_USER.match(rest)
    return (scheme, match[1], rest[match.end() :]) if match else (scheme, None, rest)


def _is_host(text: str) -> bool:
    """Whether the text is a host with or without a port; `me:pa` of http://me:pa/ss@host is not."""
    return re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:]*)(:[0-9]*)?", text) is not None


def _pairs(rest: str) -> list[str]:
    """The name=value pairs of the query, as written."""
    query = rest.partition("?")[2]
    return query.split("&") if query else []


def _is_secret(pair: str) -> bool:
    return SECRET_KEYS.search(pair.partition("=")[0]) is not None


def _without_query_secrets(rest: str) -> str:
    public_pairs = "&".join(pair for pair in _pairs(rest) if not _is_secret(pair))
    return rest.partition("?")[0] + (f"?{public_pairs}" if public_pairs else "")
