"""The mapping that digitalmodel expects as its configuration, its way to merge, and the way back to the caller's.

Covers attribute access at the top level and the deep merge of YAML over defaults. An own class, because copies of
digitalmodel's (assetutilities') lose attribute access; digitalmodel only needs the behaviour, not the class.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any


class AttributeDict(dict[str, Any]):
    """A dict whose keys are attributes too (top level only); survives copying and pickling."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(name) from None


def merged(below: Any, above: Mapping[str, Any]) -> Any:
    """`above` over `below`, section by section; neither is changed. Lists are replaced, not merged.

    An empty section above something that is none (`filters:` over a list) leaves what is below, as digitalmodel does.
    """
    if not above:
        return below
    if not isinstance(below, Mapping):
        return dict(above)
    both = dict(below)
    for key, value in above.items():
        both[key] = merged(both.get(key, {}), value) if isinstance(value, Mapping) else value
    return both


def write_back(own: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Put what changed into the caller's configuration; what did not stays the caller's own object."""
    if not isinstance(given, MutableMapping):
        return
    for key, value in own.items():
        if key not in given or not _same(given[key], value):
            given[key] = value


def _same(one: Any, other: Any) -> bool:
    """Whether both would be saved as the same text: types and the order of keys count, as they do not for `==`."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    return one is other or repr(one) == repr(other)
