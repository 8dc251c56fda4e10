"""Cached domain controller directories: provisioned once, filled once, copied for every server that starts.

A template is a directory `NAME-KEY` below the cache; KEY hashes the scripts that build it, Samba's version and what was
asked for, so a changed script builds anew and an old template is simply no longer found. Built under a file lock beside
its final name and renamed into place: two runs at once build it once, and a build cut short leaves nothing to be found.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from bridge.lab.certificates import make_authority
from bridge.lab.processes import Unavailable, locked
from bridge.lab.samba_conf import DOMAIN, HOST, REALM, offline_configuration

READER = "svc-schoolbridge"
Entry = Mapping[str, str | list[str]]

_PYTHON = "/usr/bin/python3"  # python3-samba exists for Debian's own Python only
_FILL = Path(__file__).with_name("samba_fill.py")
_UNUSED_AFTER = 3 * 86400.0  # seconds
_SEED = ("seed.py", "names.py", "entries.py")
_MADE_BY = ("samba_fill.py", "samba_template.py", "samba_conf.py", "certificates.py", *_SEED)


def default_cache() -> Path:
    """$XDG_CACHE_HOME/schoolbridge if that is set, else .cache in the checkout, else ~/.cache/schoolbridge."""
    if home := os.environ.get("XDG_CACHE_HOME"):
        return Path(home, "schoolbridge")
    project = Path(__file__).parents[2]
    return project / ".cache" if (project / "pyproject.toml").is_file() else Path.home() / ".cache" / "schoolbridge"


@functools.cache
def samba_version() -> str:
    """What `samba --version` says; raises Unavailable when Samba or its Python module is not installed."""
    if not shutil.which("samba") or not Path(_PYTHON).exists():
        raise Unavailable(f"Samba's domain controller is not installed ({_how_to_install()})")
    probe = subprocess.run([_PYTHON, "-c", "import samba.samdb, samba.provision"], capture_output=True, check=False)
    if probe.returncode or not Path("/usr/share/samba/setup").is_dir():
        raise Unavailable(f"Samba is installed, but not all that a domain controller needs ({_how_to_install()})")
    return subprocess.run(["samba", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def _how_to_install() -> str:
    return "as root: python -m bridge.lab.packages samba"


def empty_template(cache: Path, *, recycle_bin: bool) -> Path:
    """A provisioned domain without a school: `private/`, `state/`, `ca.pem`, `ca.key` and `secrets.json`."""
    version = samba_version()

    def build(directory: Path) -> None:
        options = {
            "realm": REALM, "domain": DOMAIN, "host": HOST, "recycle_bin": recycle_bin, "reader": READER,
            "administrator_password": _password(), "reader_password": _password(),
        }  # fmt: skip
        run_step("provision", directory, options)
        shutil.copy(directory / "etc" / "smb.conf", directory / "smb.conf")
        run_step("prepare", directory, options)
        authority = make_authority("schoolbridge lab authority", now=datetime.datetime.now(datetime.UTC))
        authority.write(directory / "ca.pem", directory / "ca.key")
        private = directory / "secrets.json"
        private.touch(mode=0o600)
        private.write_text(json.dumps({key: value for key, value in options.items() if key.endswith("_password")}))

    return _cached(cache, "domain", key=f"{version} {recycle_bin}", build=build)


def school_template(
    cache: Path, entries: Callable[[], Iterable[Entry]], *, key: str, recycle_bin: bool, password: str | None = None
) -> Path:
    """An `empty_template` filled with `entries()`; `key` says what they are, for example a seed and its sizes.

    `password` becomes every account's (one NT hash for all, so it costs nothing); without it they have none.
    """
    empty = empty_template(cache, recycle_bin=recycle_bin)

    def build(directory: Path) -> None:
        copy_tree(empty, directory)
        # The provisioned smb.conf names the directory it was made in.
        (directory / "smb.conf").write_text(offline_configuration(directory))
        run_step("fill", directory, {"password": password}, entries())

    return _cached(cache, "school", key=f"{empty.name} {key} {password}", build=build)


def run_step(step: str, directory: Path, options: Mapping[str, object], entries: Iterable[Entry] = ()) -> str:
    """Run one step of samba_fill.py on `directory`; its standard output. Raises RuntimeError with what it said."""
    log = directory / f"{step}.log"
    command = [_PYTHON, "-I", str(_FILL), step, str(directory)]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8"
        ) as process,
    ):
        assert process.stdin is not None  # noqa: S101 - for mypy
        try:
            process.stdin.write(json.dumps(options) + "\n")
            process.stdin.writelines(json.dumps(entry) + "\n" for entry in entries)
        except BrokenPipeError:
            pass  # it failed: its exit code and log say why
        except BaseException:
            process.kill()  # half a school must not look like a whole one
            raise
        output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"samba_fill.py {step} failed:\n{log.read_text(errors='replace')[-2000:]}")
    return output


def copy_tree(source: Path, target: Path) -> None:
    """Copy a directory with its attributes; shares blocks where the file system can."""
    subprocess.run(["cp", "-a", "--reflink=auto", f"{source}/.", str(target)], check=True)


def _cached(cache: Path, name: str, *, key: str, build: Callable[[Path], None]) -> Path:
    digest = hashlib.sha256(key.encode())
    for script in _MADE_BY:
        digest.update(Path(__file__).with_name(script).read_bytes())
    cache.mkdir(parents=True, exist_ok=True)
    ready = cache / f"{name}-{digest.hexdigest()[:16]}"
    if _in_use(ready):
        return ready
    with locked(cache / f"{ready.name}.lock"):
        if _in_use(ready):
            return ready
        _forget_unused(cache, name)
        building = cache / f"{ready.name}.building"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(mode=0o700)
        build(building)
        building.rename(ready)
    return ready


def _in_use(ready: Path) -> bool:
    try:
        os.utime(ready)
    except FileNotFoundError:
        return False
    return True


def _forget_unused(cache: Path, name: str) -> None:
    """Remove templates that nobody asked for in three days: each change of a script leaves one behind."""
    for old in cache.glob(f"{name}-*"):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > _UNUSED_AFTER:
                shutil.rmtree(old) if old.is_dir() else old.unlink()


def _password() -> str:
    return f"{secrets.token_urlsafe(18)}.A1a"
