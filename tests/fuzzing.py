"""Drawn input: the same few examples in every run of the gate, many and new ones with ORCABATCH_LONG=1."""

from __future__ import annotations

import copy
import os
import string

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

LONG = "ORCABATCH_LONG" in os.environ

STRANGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(
        ["", "0", "-1", "nan", "%", "{}", "\ud800", "\x00", "../x", "a" * 5000, 10**30, -1, 1e308, "2020-01-01"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(string.ascii_letters, max_size=6), inner,
                                                               max_size=3),
    max_leaves=6,
)  # fmt: skip
"""What may stand anywhere in JSON."""


def drawn(gate, long):
    """How many examples; the gate draws the same in every run, so that it says the same."""
    return settings(
        max_examples=long if LONG else gate,
        derandomize=not LONG,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def places(content, at=()):
    """The path of everything in nested lists and mappings."""
    yield at
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield from places(value, (*at, key))


@st.composite
def changed(draw, content, strange=STRANGE):
    """Nested lists and mappings of which some values were replaced, taken out, or have become their neighbour's."""
    changed_one = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from([at for at in places(changed_one) if at]) | st.just(("new",)))
        holder = changed_one
        for key in way:
            holder = holder[key]
        if draw(st.booleans()) or not isinstance(holder, dict) or last not in holder:
            holder[last] = draw(strange)
        else:
            del holder[last]
        if not changed_one:
            break
    return changed_one


@st.composite
def torn(draw, content):
    """Bytes of which some were changed, taken out or doubled."""
    bytes_ = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(bytes_) - 1)))
        match draw(st.sampled_from(["change", "remove", "insert", "cut", "double"])):
            case "change":
                bytes_[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "remove":
                del bytes_[at : at + draw(st.integers(1, 40))]
            case "insert":
                bytes_[at:at] = draw(st.binary(max_size=8) | st.sampled_from([b"[" * 200, b"&a *a", b"\n- ", b": "]))
            case "cut":
                del bytes_[at:]
            case "double":
                bytes_[at:at] = bytes_[at : at + 60]
    return bytes(bytes_)
