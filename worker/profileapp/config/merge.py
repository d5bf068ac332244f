"""Merges a saved configuration into a sage.yaml: YAML text in, YAML text out. Pure.

Both texts must have passed `read_document`'s limits.

- A mapping is merged key by key, and the saved configuration wins. This includes `defaults`, `env` and `budgets`.
- A target is merged into the target of the same `name`; one with a new name is appended.
- Anything else (a number, a string, a list such as `metrics` or `args`) is replaced as a whole.
"""

from __future__ import annotations

from typing import NamedTuple

import yaml

_TARGETS = ("profiling", "targets")


class SectionText(NamedTuple):
    """The YAML text of a file with a `profiling:` section, and the keys that lead to the section."""

    text: str
    at: tuple[str, ...] = ("profiling",)


def merge_yaml(app: str, section: SectionText, over: str, keys: frozenset[str]) -> str:
    """The top-level `keys` of `app`, and the section with the key `profiling` of `over` merged into it."""
    root, upper = _compose(app), _compose(over)
    kept = [(key, value) for key, value in root.value if key.value in keys]
    kept.append((yaml.ScalarNode("tag:yaml.org,2002:str", "profiling"), _below(_compose(section.text), section.at)))
    laid = [(key, value) for key, value in upper.value if key.value == "profiling"]
    merged = _merge(_mapping(kept), _mapping(laid), ())
    return str(yaml.serialize(merged, Dumper=yaml.SafeDumper, allow_unicode=True, width=1000))


def _below(root: yaml.Node, at: tuple[str, ...]) -> yaml.Node:
    for step in at:
        root = next(value for key, value in root.value if key.value == step)
    return root


def _compose(text: str) -> yaml.MappingNode:
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            raise TypeError("read_document accepts mappings only")
        _flatten(loader, root)
    finally:
        loader.dispose()
    return root


def _flatten(loader: yaml.SafeLoader, node: yaml.Node) -> None:
    """Replaces `<<` with its pairs, so that each key has one value before two mappings are merged."""
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        # Pairs from `<<` come first; the mapping's own pairs follow and win.
        own = {key.value: (key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)}
        node.value = list(own.values())
        for _, value in node.value:
            _flatten(loader, value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _flatten(loader, item)


def _merge(base: yaml.Node, over: yaml.Node, path: tuple[str, ...]) -> yaml.Node:
    if isinstance(base, yaml.MappingNode) and isinstance(over, yaml.MappingNode):
        pairs = {key.value: (key, value) for key, value in base.value}
        for key, value in over.value:
            below = pairs.get(key.value)
            pairs[key.value] = (key, _merge(below[1], value, (*path, key.value)) if below else value)
        return _mapping(list(pairs.values()))
    if path == _TARGETS and isinstance(base, yaml.SequenceNode) and isinstance(over, yaml.SequenceNode):
        return _merge_targets(base, over, path)
    return over


def _merge_targets(base: yaml.SequenceNode, over: yaml.SequenceNode, path: tuple[str, ...]) -> yaml.SequenceNode:
    targets = list(base.value)
    places = {name: place for place, target in enumerate(targets) if (name := _name_of(target))}
    for target in over.value:
        place = places.get(_name_of(target))
        if place is None:
            targets.append(target)
        else:
            targets[place] = _merge(targets[place], target, (*path, "*"))
    return yaml.SequenceNode("tag:yaml.org,2002:seq", targets, flow_style=False)


def _name_of(target: yaml.Node) -> str:
    if not isinstance(target, yaml.MappingNode):
        return ""
    return next((str(value.value) for key, value in target.value if key.value == "name"), "")


def _mapping(pairs: list[tuple[yaml.Node, yaml.Node]]) -> yaml.MappingNode:
    return yaml.MappingNode("tag:yaml.org,2002:map", pairs, flow_style=False)
