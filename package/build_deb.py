"""Builds the Debian package: ``python -m package.build_deb`` (``make deb``); needs no root.

1. stage    an environment for /opt/schoolbridge: the locked libraries by their hashes, then the project's own wheel;
            nothing in it knows where it was built
2. lay out  units, sysusers, tmpfiles, sysctl, docs and examples, where Debian wants them
3. build    control file and scripts, with the version and the schema of the state filled in; dpkg-deb

The same checkout gives the same package: all times are those of the last commit.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
HERE = ROOT / "package"
#: The interpreter that the package depends on: Debian's own, not the one that builds.
PYTHON = Path("/usr/bin/python3")
HOME = "/opt/schoolbridge"
_SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
_START = f"#!{HOME}/bin/python3 -I\nfrom bridge.cli import main\n\nmain()\n"


def _environment() -> dict[str, str]:
    """Ours, without what would put this checkout before the libraries of the tools."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def run(*command: str | Path, **more: str) -> str:
    """Run a command; what it prints. Ends the program with its words when it fails."""
    done = subprocess.run(
        command, cwd=ROOT, env={**_environment(), **more}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def schema() -> str:
    """The newest revision of the state that this version knows."""
    found = re.search(r'^REVISION = "(\w+)"', (ROOT / "bridge/state/tables.py").read_text("utf-8"), re.M)
    if found is None:
        sys.exit("bridge/state/tables.py names no REVISION")
    return found[1]


def version() -> str:
    """The version of the project."""
    found = re.search(r'^__version__ = "(.+)"', (ROOT / "bridge/__init__.py").read_text("utf-8"), re.M)
    if found is None:
        sys.exit("bridge/__init__.py names no __version__")
    return found[1]


def epoch() -> int:
    """When the last commit was made."""
    said = os.environ.get("SOURCE_DATE_EPOCH")
    return int(said or run("git", "log", "-1", "--format=%ct"))


def stage(root: Path, wheels: Path) -> None:
    """An environment in ``root``/opt/schoolbridge, as if it had been made there."""
    if not PYTHON.exists():
        sys.exit(f"{PYTHON} is not there: build on the Debian that the package is for (apt-get install python3)")
    name = run(PYTHON, "-c", "import sys; print('python%d.%d' % sys.version_info[:2])").strip()
    home = root / HOME.strip("/")
    packages = home / "lib" / name / "site-packages"
    packages.mkdir(parents=True)
    (home / "bin").mkdir()
    for link in ("python3", "python"):
        (home / "bin" / link).symlink_to(PYTHON)
    (home / "pyvenv.cfg").write_text(f"home = {PYTHON.parent}\ninclude-system-site-packages = false\n")
    pip = (sys.executable, "-m", "pip", "--python", home / "bin" / "python3", "--disable-pip-version-check", "--quiet")
    install = (*pip, "install", "--no-compile", "--no-warn-script-location")
    run(*install, "--require-hashes", "--only-binary", ":all:", "-r", ROOT / "requirements.lock")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", wheels, ROOT)
    (wheel,) = wheels.glob("schoolbridge-*.whl")
    run(*install, "--no-deps", "--no-index", wheel)
    for script in (home / "bin").iterdir():
        if not script.is_symlink():
            script.unlink()  # each names the place where it was built
    (home / "bin" / "schoolbridge").write_text(_START)
    (home / "bin" / "schoolbridge").chmod(0o755)
    for library in packages.rglob("*.so*"):
        library.chmod(0o644)
    _forget(packages, home.parent)
    compiling = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-j", "2")
    run(PYTHON, *compiling, "-s", home, "-p", HOME, packages)


def _forget(packages: Path, place: Path) -> None:
    """Leave out what tells where it was built, and what the installer noted of scripts that are not there."""
    for note in packages.glob("*.dist-info/direct_url.json"):
        note.unlink()
    for record in packages.glob("*.dist-info/RECORD"):
        lines = record.read_text("utf-8").splitlines(keepends=True)
        gone = ("../../../bin/", f"{record.parent.name}/direct_url.json")
        record.write_text("".join(line for line in lines if not line.startswith(gone)), "utf-8")
    for file in packages.glob("*.pth"):
        if str(place) in file.read_text("utf-8"):
            sys.exit(f"{file} names the place where it was built")


def lay_out(root: Path, number: str, when: int) -> None:
    """All but the environment."""
    doc = root / "usr/share/doc/schoolbridge"
    for unit in sorted([*(ROOT / "systemd").glob("*.service"), *(ROOT / "systemd").glob("*.path")]):
        _put(unit, root / "lib/systemd/system" / unit.name)
    for kind, name in (("sysusers", ""), ("tmpfiles", ""), ("sysctl", "60-")):
        _put(ROOT / "systemd" / f"{kind}.conf", root / f"usr/lib/{kind}.d" / f"{name}schoolbridge.conf")
    _put(HERE / "schoolbridge", root / "usr/bin/schoolbridge", mode=0o755)
    _put(HERE / "debian/lintian-overrides", root / "usr/share/lintian/overrides/schoolbridge")
    _put(HERE / "debian/copyright", doc / "copyright")
    for page in sorted((ROOT / "docs").rglob("*.md")):
        _put(page, doc / page.relative_to(ROOT / "docs"))
    for example in ("bridge.yaml", "hub.yaml", "schools/gymnasium.yaml", "schools/grundschule.yaml"):
        _put(ROOT / "config" / example, doc / "examples" / example)
    bill(doc / "sbom.cdx.json")
    _packed(doc / "changelog.gz", (ROOT / "CHANGELOG.md").read_text("utf-8"))
    stamp = run("date", "-u", "-R", "-d", f"@{when}").strip()
    own = f"schoolbridge ({number}) stable; urgency=medium\n\n  * See changelog.gz.\n\n"
    _packed(doc / "changelog.Debian.gz", f"{own} -- schoolbridge <schoolbridge@localhost>  {stamp}\n")
    for directory, mode in (("", 0o755), ("schools", 0o755), ("secrets", 0o700)):
        (root / "etc/schoolbridge" / directory).mkdir(parents=True, exist_ok=True)
        (root / "etc/schoolbridge" / directory).chmod(mode)


def bill(target: Path) -> None:
    """What the package is made of, by the lock (CycloneDX 1.6): names, versions, hashes."""
    said = (ROOT / "requirements.lock", "--pyproject", ROOT / "pyproject.toml", "--output-reproducible", "-o", target)
    run(sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", *said)


def _put(source: Path, target: Path, *, mode: int = 0o644) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _packed(target: Path, text: str) -> None:
    target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def control(root: Path, number: str) -> None:
    """The control file and the scripts."""
    major, minor = run(PYTHON, "-c", "import sys; print(*sys.version_info[:2])").split()
    size = sum(file.lstat().st_size for file in root.rglob("*") if file.is_file() and not file.is_symlink())
    words = {
        "VERSION": number,
        "ARCHITECTURE": run("dpkg", "--print-architecture").strip(),
        "SIZE": str(size // 1024),
        "PYTHON": f"{major}.{minor}",
        "NEXT_PYTHON": f"{major}.{int(minor) + 1}",
        "SCHEMA": schema(),
    }
    (root / "DEBIAN").mkdir()
    for name in ("control", *_SCRIPTS):
        source = HERE / "debian" / (f"{name}.in" if name == "control" else name)
        (root / "DEBIAN" / name).write_text(filled(source.read_text("utf-8"), words))
        (root / "DEBIAN" / name).chmod(0o644 if name == "control" else 0o755)


def filled(text: str, words: Mapping[str, str]) -> str:
    """``text`` with each @WORD@ replaced; KeyError for one that nobody knows."""
    return re.sub(r"@([A-Z_]+)@", lambda match: words[match[1]], text)


def build(target: Path, number: str, *, environment: Path | None = None, packing: str = "xz") -> Path:
    """The package in the directory ``target``; ``environment``: a stage that was made before, to be used again."""
    os.umask(0o022)
    when = epoch()
    work = target / "work"
    shutil.rmtree(work, ignore_errors=True)
    root = work / "root"
    if environment is None or not environment.exists():
        stage(environment or root, work / "wheels")
    if environment is not None:
        shutil.copytree(environment, root, symlinks=True)
    lay_out(root, number, when)
    control(root, number)
    for path in [root, *root.rglob("*")]:
        os.utime(path, (when, when), follow_symlinks=False)
    package = target / f"schoolbridge_{number}_{run('dpkg', '--print-architecture').strip()}.deb"
    command = ("dpkg-deb", "--build", "--root-owner-group", f"-Z{packing}", root, package)
    run(*command, SOURCE_DATE_EPOCH=str(when))
    shutil.rmtree(work)
    return package


def main() -> None:
    """Build and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", default=version(), help="of the package; the project's own by default")
    parser.add_argument("--target", type=Path, default=ROOT / "dist")
    parser.add_argument("--environment", type=Path, help="keep the environment here, and use it if it is there")
    said = parser.parse_args()
    said.target.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(f"{build(said.target, said.version, environment=said.environment)}\n")


if __name__ == "__main__":
    main()
