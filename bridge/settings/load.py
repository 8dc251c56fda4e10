"""Loads ``bridge.yaml`` and every school's file, and reports all problems of all files at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel

from bridge.core.model import Side
from bridge.ports import ConfigurationError
from bridge.settings import models
from bridge.settings.effective import School, Settings, SideSettings, school
from bridge.settings.notify import problems as notify_problems
from bridge.settings.render import guess, validate
from bridge.settings.source import Problem, Source, Way, parsed, read, shown
from bridge.settings.waves import problems as wave_problems

#: A file of the hub's is named by its school: which one it is must not depend on what stands in it.
_TOO = "name the file CODE.yaml as the school inside"


class SettingsError(ConfigurationError):
    """The configuration has problems; ``str`` gives one line each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


class Catalog(Protocol):
    """Where the connectors' option models come from (``bridge.daemon.catalog``)."""

    def names(self) -> Sequence[str]:
        """Names of the connectors that are installed."""
        ...

    def options(self, name: str) -> type[BaseModel]:
        """The model of a connector's options; KeyError when there is none, ConfigurationError when it can't load."""
        ...


def load(path: Path, catalog: Catalog, *, instead: Mapping[str, str] | None = None) -> Settings:
    """Read and check everything; raises SettingsError with all problems, sorted by place.

    ``instead``: code -> the text to judge in place of the file that the hub gave, ``""`` for no such school any more.
    """
    top = read(path)
    bridge = validate(models.BridgeFile, top, top.tree) if top.readable else None
    hub = top.tree.get("hub")
    from_hub = isinstance(hub, dict) and hub.get("configuration") == "hub"
    sources: list[Source] = []
    if from_hub:  # where its files lie depends on this one: while it is wrong, they are not looked for
        if isinstance(bridge, models.BridgeFile):
            sources = _from_hub(Settings(path.absolute(), bridge, ()), top, instead or {})
    elif top.readable:
        directory = bridge.schools if isinstance(bridge, models.BridgeFile) else top.tree.get("schools", "schools")
        sources = [read(file) for file in _school_files(path, directory, top)] if isinstance(directory, str) else []
    schools: list[School] = []
    found: list[tuple[Source, models.SchoolFile]] = []
    for source in sources:
        said, sides, shares = _judged(source, catalog)
        if said is not None:
            found.append((source, said))
            if from_hub and said.school != Path(source.file).stem:
                source.add(("school",), f'the hub gave this file for another school than "{said.school}"', _TOO)
            if isinstance(bridge, models.BridgeFile) and not source.problems:
                schools.append(school(Path(source.file), said, bridge, sides, shares))
    _unique(found)
    _samba_apart(found)
    if isinstance(bridge, models.BridgeFile) and (found or not from_hub):
        _known_schools(top, bridge, [said.school for _, said in found], everything=len(found) == len(sources))
    problems = [problem for source in (top, *sources) for problem in source.problems]
    if problems or not isinstance(bridge, models.BridgeFile):
        raise SettingsError(problems)
    return Settings(file=path.absolute(), bridge=bridge, schools=tuple(sorted(schools, key=lambda one: one.code)))


def judge(text: str, catalog: Catalog, *, code: str, file: str) -> Sequence[Problem]:
    """What is wrong with the text of one school's file by itself, as a hub can tell; ``file`` is how it is called."""
    source = parsed(text, Source(file))
    said, _, _ = _judged(source, catalog)
    if said is not None and said.school != code:
        source.add(("school",), f'the file is of the school "{said.school}"', f'name the file of "{code}"')
    return sorted(set(source.problems))


def _judged(
    source: Source, catalog: Catalog
) -> tuple[models.SchoolFile | None, dict[Side, SideSettings], list[dict[Side, SideSettings]]]:
    """A school's file, its sides and the sides of its shares; what is wrong is noted in the source."""
    if not source.readable:
        return None, {}, []
    said = validate(models.SchoolFile, source, source.tree)
    sides, shares = _sides(source, catalog), _shares(source, catalog)
    _domain_fits(source, said, sides)
    return (said if isinstance(said, models.SchoolFile) else None), sides, shares


def _from_hub(settings: Settings, top: Source, instead: Mapping[str, str]) -> list[Source]:
    """The files that the hub gave. Never both: another one where files of the site lie is a fault."""
    place, own = settings.from_hub, settings.file.parent / settings.bridge.schools
    for file in _yaml(own):
        wrong = f"the schools' files come from the hub (they lie in {place}), but {file} is here as well"
        right = f"move it to {place}/CODE.yaml to go on from it, or write `configuration: site`"
        top.add(("hub", "configuration"), wrong, right)
    texts = {file.stem: read(file) for file in _yaml(place) if file.stem not in instead}
    for code, text in instead.items():
        if text:
            texts[code] = parsed(text, Source(str(place / f"{code}.yaml")))
    return [texts[code] for code in sorted(texts)]


def _yaml(folder: Path) -> list[Path]:
    try:
        return sorted(one for one in folder.iterdir() if one.suffix in {".yaml", ".yml"} and one.name[0] != ".")
    except OSError:
        return []


def _school_files(path: Path, directory: str, top: Source) -> list[Path]:
    folder = path.parent / directory
    try:
        found = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        top.add(("schools",), f"the directory {folder} can't be read ({reason})", "create it, with one file a school")
        return []
    for file in found:
        if file.suffix == ".yml":
            top.add(("schools",), f"{file.name} would be passed over", f"rename it to {file.stem}.yaml")
    files = [file for file in found if file.suffix == ".yaml"]
    if not files:
        top.add(("schools",), f"no school's file (*.yaml) is in {folder}", "write one for each school")
    return files


def _sides(source: Source, catalog: Catalog) -> dict[Side, SideSettings]:
    """Both sides of the school itself."""
    found = {side: _side(source, catalog, (f"{side.value}_side",), source.tree, {}) for side in Side}
    return {side: one for side, one in found.items() if one is not None}


def _shares(source: Source, catalog: Catalog) -> list[dict[Side, SideSettings]]:
    """Both sides of each share; the cloud's takes from ``cloud_side`` what it does not say itself."""
    said = source.tree.get("shares")
    cloud = source.tree.get("cloud_side")
    shares: list[dict[Side, SideSettings]] = []
    names: set[str] = set()
    for place, tree in enumerate(said if isinstance(said, list) else []):
        if not isinstance(tree, dict):
            continue  # said already
        name = str(tree.get("name"))
        if name in names:
            source.add(("shares", place, "name"), f'a share "{shown(name)}" is there already', "give it another name")
        names.add(name)
        inherited = {Side.SCHOOL: {}, Side.CLOUD: cloud if isinstance(cloud, dict) else {}}
        ends = {side: _side(source, catalog, ("shares", place, side.value), tree, inherited[side]) for side in Side}
        shares.append({side: one for side, one in ends.items() if one is not None})
    return shares


def _side(
    source: Source, catalog: Catalog, way: Way, above: Mapping[str, object], inherited: Mapping[str, object]
) -> SideSettings | None:
    """Validate a side's options with the model of its connector, positions kept."""
    tree = above.get(str(way[-1]))
    name = tree.get("connector") if isinstance(tree, dict) else None
    if not isinstance(tree, dict) or not isinstance(name, str) or not name:
        return None  # said already
    try:
        model = catalog.options(name)
    except KeyError:
        source.add((*way, "connector"), f'no connector is called "{shown(name)}"', guess(name, catalog.names()))
        return None
    except ConfigurationError as error:
        source.add((*way, "connector"), str(error), "install what it needs, or use another connector")
        return None
    wanted = {field.alias or key for key, field in model.model_fields.items()}
    said = {key: value for key, value in inherited.items() if key in wanted}
    said |= {key: value for key, value in tree.items() if key != "connector"}
    options = validate(model, source, said, under=way)
    return None if options is None else SideSettings(name, options)


def _domain_fits(source: Source, said: BaseModel | None, sides: Mapping[Side, SideSettings]) -> None:
    """A connector whose options tell ``domains`` takes no names of others."""
    domains = getattr(sides[Side.CLOUD].options, "domains", ()) if Side.CLOUD in sides else ()
    if isinstance(said, models.SchoolFile) and domains and said.naming.domain not in domains:
        wrong = f"{said.naming.domain} is not among the cloud's domains ({', '.join(domains)})"
        source.add(("naming", "domain"), wrong, "use one of them, or add it to cloud_side.domains")


def _known_schools(top: Source, bridge: models.BridgeFile, codes: Sequence[str], *, everything: bool) -> None:
    """What `bridge.yaml` says of schools fits to them; not judged while a school's own file can't be read."""
    if everything:
        for way, wrong, right in (*wave_problems(bridge.waves, codes), *notify_problems(bridge.notify, codes)):
            top.add(way, wrong, right)


def _unique(schools: Sequence[tuple[Source, models.SchoolFile]]) -> None:
    """Two files for one school would mirror it twice."""
    first: dict[str, Source] = {}
    for source, said in schools:
        known = first.setdefault(said.school.casefold(), source)
        if known is not source:
            wrong = f'the school "{said.school}" is in {known.file} already'
            source.add(("school",), wrong, "give every school a code of its own")


def _samba_apart(schools: Sequence[tuple[Source, models.SchoolFile]]) -> None:
    """A share of Samba that shows the folders of two schools would freeze both of them with one."""
    first: dict[str, Source] = {}
    for source, said in schools:
        named = [(place, share.samba_share) for place, share in enumerate(said.shares) if share.samba_share]
        for place, name in named:
            known = first.setdefault(name.lower(), source)
            if known is not source:
                wrong = f'the share "{shown(name)}" of Samba is frozen with the school of {known.file} already'
                right = "give each school a share of its own in Samba, or write `freeze: permissions`"
                source.add(("shares", place, "samba_share"), wrong, right)
