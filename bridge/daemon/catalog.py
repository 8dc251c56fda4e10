"""Finds connectors by folder: ``connectors.<name>`` with ``Options`` (a pydantic model) and ``connect``.

``bridge`` never imports a connector by name, so that a new one touches no existing code. A module ``connectors.x`` is a
connector when it has ``Options`` and ``connect(options, context)``; what stands beside them (the sandbox, the
expression language) is passed over.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Sequence
from types import ModuleType
from typing import Any, Literal

from pydantic import BaseModel

from bridge.ports import ConfigurationError, Connector, Context


class Catalog:
    """The connectors that are installed. A connector is imported when it is asked for, not before."""

    def __init__(self, package: ModuleType | None = None) -> None:
        self._package = package = package or importlib.import_module("connectors")
        self._folders = frozenset(row.name for row in pkgutil.iter_modules(package.__path__))
        self._loaded: dict[str, ModuleType] = {}

    def names(self) -> Sequence[str]:
        """Names of the connectors, sorted. Imports all of them."""
        found = []
        for name in sorted(self._folders):
            try:
                self.options(name)
            except KeyError:
                continue
            except ConfigurationError:  # meant as a connector but broken: ``options`` says why when it is used
                pass
            found.append(name)
        return found

    def options(self, name: str) -> type[BaseModel]:
        """The model of a connector's options; KeyError when there is none, ConfigurationError when it can't load."""
        model = getattr(self._module(name), "Options", None)
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise KeyError(name)
        return model

    async def connect(self, name: str, options: Any, context: Context) -> Connector:
        """Build a connector; raises ConfigurationError, Refused or Unreachable."""
        opening: Callable[[Any, Context], Awaitable[Connector]] = self._module(name).connect
        return await opening(options, context)

    def limit(self, limits: Callable[[Literal["up", "down"]], float | None]) -> None:
        """Let all transfers of this process together pass at most so many bytes a second; asked anew all the time."""
        if "bandwidth" in self._folders:
            importlib.import_module(f"{self._package.__name__}.bandwidth").LINE.limit(limits)

    def _module(self, name: str) -> ModuleType:
        if name not in self._folders:
            raise KeyError(name)
        if name not in self._loaded:
            try:
                self._loaded[name] = importlib.import_module(f"{self._package.__name__}.{name}")
            except ImportError as error:
                raise ConfigurationError(f'the connector "{name}" can\'t be loaded ({error})') from error
        return self._loaded[name]
