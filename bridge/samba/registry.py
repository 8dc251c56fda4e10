"""Samba's own commands: ``net conf`` for the shares of its registry, ``testparm`` for what holds, ``smbcontrol``."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.ports import ConfigurationError, Unreachable

_PATIENCE = 20.0
_UNKNOWN = "SBC_ERR_NO_SUCH_SERVICE"
#: Where a share leads that names no path: to the home directory that the machine knows of each.
_OWN = {"homes": "%H"}
#: What smbcontrol says where no smbd runs: then nobody has anything open, and the next one reads what is set.
_NOBODY = "Can't find pid for destination"


@dataclass(frozen=True, slots=True)
class Samba:
    """Of this machine. ``file``: its smb.conf, where that is not Samba's own."""

    file: Path | None = None

    def registered(self, share: str) -> tuple[str, Mapping[str, str]] | None:
        """A share's name and options as they stand in the registry; None where it has none of this name."""
        done = self._run("net", "conf", "showshare", share, fails=True)
        if done.returncode:
            if _UNKNOWN in done.stdout + done.stderr:
                return None
            raise _broken("net conf showshare", done)
        return _section(done.stdout)

    def holds(self, share: str, option: str) -> str | None:
        """What an option of a share is in the end, defaults and smb.conf included; None for no such share."""
        file = [str(self.file)] if self.file else []
        words = ("--suppress-prompt", f"--section-name={share}", f"--parameter-name={option}")
        done = self._command("testparm", *words, *file)
        if done.returncode:
            return None
        return done.stdout.strip()

    def writable(self) -> Mapping[str, str]:
        """Name -> path of all shares that somebody may write, wherever they stand; ``homes`` is everybody's own."""
        file = [str(self.file)] if self.file else []
        done = self._command("testparm", "--suppress-prompt", *file)
        if done.returncode:
            raise _broken("testparm", done)
        found = [_section(f"[{part}") for part in done.stdout.split("\n[")[1:]]
        return {
            name: options.get("path", _OWN.get(name.lower(), ""))
            for name, options in found
            if options.get("read only") == "No" or options.get("write list")
        }

    def set(self, share: str, options: Mapping[str, str | None]) -> None:
        """Set these in the registry; None takes one away."""
        for option, value in options.items():
            if value is None:
                self._run("net", "conf", "delparm", share, option)
            else:
                self._run("net", "conf", "setparm", share, option, value)

    def reload(self) -> None:
        """Let smbd read its configuration anew."""
        self._control("reload-config")

    def close(self, share: str) -> None:
        """End everybody's connection to the share. Programs connect again by themselves, as it is now."""
        self._control("close-share", share)

    def _control(self, *words: str) -> None:
        done = self._run("smbcontrol", "smbd", *words, fails=True)
        if done.returncode and _NOBODY not in done.stdout + done.stderr:
            raise _broken(f"smbcontrol smbd {words[0]}", done)

    def _run(self, program: str, *words: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        file = [f"--configfile={self.file}"] if self.file else []
        done = self._command(program, *file, *words)
        if done.returncode and not fails:
            raise _broken(f"{program} {' '.join(words[:2])}", done)
        return done

    def _command(self, *words: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_PATIENCE,
                check=False,
            )  # fmt: skip
        except FileNotFoundError:
            raise ConfigurationError(
                f"{words[0]} is not there: this machine has no Samba whose shares could be frozen (apt-get install "
                f"samba), or write `freeze: permissions`"
            ) from None
        except subprocess.TimeoutExpired:
            raise Unreachable(f"{words[0]} did not end within {_PATIENCE:.0f} seconds: see Samba's log") from None


def _section(text: str) -> tuple[str, Mapping[str, str]]:
    """``[name]`` and ``option = value`` below it, as ``net conf showshare`` prints a share."""
    name, options = "", dict[str, str]()
    for line in text.splitlines():
        option, equals, value = line.partition("=")
        if line.startswith("["):
            name = line.strip().strip("[]")
        elif equals:
            options[option.strip().lower()] = value.strip()
    return name, options


def _broken(what: str, done: subprocess.CompletedProcess[str]) -> Unreachable:
    said = " ".join((done.stderr or done.stdout).split())[-300:] or "nothing"
    return Unreachable(f"{what} ended with {done.returncode}, it said: {said}. See Samba's log; it is tried again")
