"""Secrets are named in the configuration and never written there: references and their resolution.

``credential:NAME``  a systemd credential (``LoadCredential=``), read from ``$CREDENTIALS_DIRECTORY/NAME``
``file:PATH``        a file that only its owner may read
``env:NAME``         an environment variable, for containers and tests
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge.ports import ConfigurationError

REFERENCE = re.compile(r"credential:[A-Za-z0-9_][A-Za-z0-9_.@-]*|env:[A-Za-z_][A-Za-z0-9_]*|file:\S.*")
MAX_BYTES = 64 * 1024
MASK = "********"
_WORDS = {"password", "passwort", "passwd", "passphrase", "secret", "token", "key", "credential", "pin"}


def is_secret_name(name: str) -> bool:
    """Whether the value under a key of this name has to be a reference: ``password``, ``client_secret``, ``apiKey``."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).casefold()
    last = re.split(r"[^a-zäöüß]+", words.rstrip("0123456789_-. "))[-1]
    return last in _WORDS or last.removesuffix("s") in _WORDS or last.endswith(("password", "passwort", "secret"))


def resolve(reference: str, *, environ: Mapping[str, str] | None = None) -> bytes:
    """The secret that ``reference`` names, without a trailing line end.

    Raises ConfigurationError (never holding the secret) when there is none, or when others could read its file.
    """
    environ = os.environ if environ is None else environ
    if not REFERENCE.fullmatch(reference):
        raise ConfigurationError('a secret has to be named as "credential:NAME", "file:PATH" or "env:NAME"')
    scheme, _, name = reference.partition(":")
    if scheme == "env":
        if not environ.get(name):
            raise ConfigurationError(f"{reference}: the environment variable {name} is not set; set it and start again")
        return environ[name].encode()
    if scheme == "file":
        return _read(Path(name), reference, private=True)
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise ConfigurationError(
            f"{reference}: no systemd credentials are here; run as the service (LoadCredential={name}:...), "
            f"set CREDENTIALS_DIRECTORY, or name the secret as file:PATH"
        )
    return _read(Path(directory) / name, reference, private=False)


def _read(path: Path, reference: str, *, private: bool) -> bytes:
    """Open first and look at what was opened, so that nobody can exchange the file in between."""
    try:
        with path.open("rb") as stream:
            state = os.fstat(stream.fileno())
            if private and stat.S_IMODE(state.st_mode) & 0o077:
                mode = f"{stat.S_IMODE(state.st_mode):04o}"
                raise ConfigurationError(f"{reference}: others may read this file (mode {mode}); run chmod 600 {path}")
            secret = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(f"{reference}: can't be read ({reason}); create it, readable by its owner") from None
    if len(secret) > MAX_BYTES:
        raise ConfigurationError(f"{reference}: larger than 64 KiB; this can't be a secret")
    secret = secret.rstrip(b"\r\n")
    if not secret:
        raise ConfigurationError(f"{reference}: is empty; write the secret into it")
    return secret


def masked(tree: Any, *, name: str = "") -> Any:
    """A copy of a plain tree in which only references are left of secrets."""
    if isinstance(tree, Mapping):
        return {key: masked(value, name=name if is_secret_name(name) else str(key)) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [masked(value, name=name) for value in tree]
    if is_secret_name(name) and tree is not None and not (isinstance(tree, str) and REFERENCE.fullmatch(tree)):
        return MASK
    return tree


def in_memory(content: bytes) -> int:
    """A file that is on no disk: OpenSSL reads keys from files only."""
    made = os.memfd_create("tls", os.MFD_CLOEXEC)
    os.write(made, content + b"\n")
    os.lseek(made, 0, os.SEEK_SET)
    return made
