"""The billers, and nothing else: `ls` is the list. A module here is found, never registered."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType, ModuleType

from core.errors import Misconfigured, NotFound
from core.wire.contract import Biller


@cache
def adapters() -> Mapping[str, type[Biller]]:
    """Each biller's class by its code, in the order of the codes."""
    found: dict[str, type[Biller]] = {}
    for module in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
        for biller in _billers_in(importlib.import_module(module.name)):
            if biller.code in found:
                raise Misconfigured(f"Two adapters call themselves {biller.code}: {found[biller.code].__module__} and {biller.__module__}.")
            found[biller.code] = biller
    return MappingProxyType(dict(sorted(found.items())))


def adapter_for(code: str) -> type[Biller]:
    """Raises `NotFound` for a type that no module speaks."""
    try:
        return adapters()[code]
    except KeyError as error:
        raise NotFound(f"There is no biller of type {code!r}. Known are: {', '.join(adapters())}.") from error


def _billers_in(module: ModuleType) -> list[type[Biller]]:
    """The classes a module defines itself; what it imports to build on is no biller."""
    classes = [value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__]
    return [value for value in classes if issubclass(value, Biller) and hasattr(value, "code")]
