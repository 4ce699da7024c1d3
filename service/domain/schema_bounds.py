"""How much work a JSON Schema can make, found before it is used: the validator itself cannot be stopped.

Two things let a short schema work for hours: subschemas that refer to others twice, and so on down, and subschemas that
apply themselves to the value that they are applied to. So references are followed here, and the ways counted. What this
cannot follow is refused, which also keeps every reference inside the schema.
"""

import graphlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import unquote, urldefrag, urljoin

from service.domain.errors import InvalidField, quoted

# Subschemas that apply to one and the same value; and how deep they stand in each other, references included.
_APPLIED_MAX: Final = 2_000
_APPLIED_DEPTH_MAX: Final = 500
# On how many ways one subschema is reached.
_WAYS_MAX: Final = 10_000

# JSON Schema 2020-12, "Core", sections 10 and 11, and the `dependencies` of earlier drafts, which the validator knows.
_HERE: Final = ("not", "if", "then", "else")
_HERE_LISTS: Final = ("allOf", "anyOf", "oneOf")
_HERE_MAPS: Final = ("dependentSchemas", "dependencies")
_INSIDE: Final = (
    "additionalProperties",
    "contains",
    "items",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_INSIDE_LISTS: Final = ("prefixItems",)
_INSIDE_MAPS: Final = ("properties", "patternProperties")

_Schema: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most work that a schema makes, in counts.

    `applied_max` subschemas apply to one value, not counting that each may be reached on `ways_max` ways.
    `literal_bytes` is how much text the values of all enum and const have: the validator goes through them for each
    value, and copies them into each violation.
    `branches` is 0 unless the schema is recursive, and then how often a round through it may multiply.
    `has_alternatives` says whether there is an anyOf or oneOf, whose failure is told with that of every branch.
    """

    applied_max: int
    ways_max: int
    literal_bytes: int
    branches: int
    has_alternatives: bool


def bounds_of(field: str, document: object) -> Bounds:
    """Return the bounds of a schema.

    Args:
        document: the schema as parsed JSON; one that is not an object bounds itself.

    Raises:
        InvalidField: a reference leads out of the schema, or nowhere, or the schema could make too much work.
    """
    if not isinstance(document, dict):
        return Bounds(applied_max=1, ways_max=1, literal_bytes=0, branches=0, has_alternatives=False)
    graph = _Graph.of(field, document)
    groups = _groups(graph)
    return Bounds(
        applied_max=_applied_max(field, graph),
        ways_max=_ways_max(field, graph, groups),
        literal_bytes=sum(map(_literal_bytes, graph.schemas.values())),
        branches=max(map(graph.branches, groups)),
        has_alternatives=any("anyOf" in schema or "oneOf" in schema for schema in graph.schemas.values()),
    )


@dataclass(frozen=True, slots=True)
class _Graph:
    """Which subschema applies which others, by `id`: to the same value (`here`), or to a part of it (`inside`)."""

    root: int
    schemas: Mapping[int, _Schema]
    here: Mapping[int, Sequence[int]]
    inside: Mapping[int, Sequence[int]]

    @classmethod
    def of(cls, field: str, document: _Schema) -> "_Graph":
        names = _Names(field, document)
        schemas, here, inside = {id(document): document}, {}, {}
        found = [document]
        while found:
            schema = found.pop()
            applied_here = [*_subschemas(schema, _HERE, _HERE_LISTS, _HERE_MAPS), *names.referred(schema)]
            applied_inside = list(_subschemas(schema, _INSIDE, _INSIDE_LISTS, _INSIDE_MAPS))
            here[id(schema)], inside[id(schema)] = list(map(id, applied_here)), list(map(id, applied_inside))
            for each in (*applied_here, *applied_inside):
                if id(each) not in schemas:
                    schemas[id(each)] = each
                    found.append(each)
        return cls(id(document), schemas, here, inside)

    def applied(self, schema: int) -> Sequence[int]:
        """Return everything that a subschema applies, as often as it does."""
        return [*self.here[schema], *self.inside[schema]]

    def branches(self, group: Sequence[int]) -> int:
        """Return how many independent rounds there are through subschemas that all reach each other."""
        members = set(group)
        edges = sum(each in members for schema in group for each in self.applied(schema))
        return edges - len(group) + 1


def _subschemas(schema: _Schema, single: Sequence[str], lists: Sequence[str], maps: Sequence[str]) -> Iterator[_Schema]:
    values = [schema.get(name) for name in single]
    for name in lists:
        values += found if isinstance(found := schema.get(name), list) else ()
    for name in maps:
        values += found.values() if isinstance(found := schema.get(name), dict) else ()
    return (value for value in values if isinstance(value, dict))


def _literal_bytes(schema: _Schema) -> int:
    return sum(len(json.dumps(schema[name])) for name in ("enum", "const") if name in schema)


class _Names:
    """What references in a schema refer to."""

    def __init__(self, field: str, document: _Schema) -> None:
        self._field = field
        self._bases: dict[int, str] = {}
        self._resources: dict[str, _Schema] = {"": document}
        self._anchors: dict[tuple[str, str], _Schema] = {}
        self._dynamic: defaultdict[str, list[_Schema]] = defaultdict(list)
        places: list[tuple[object, str]] = [(document, "")]
        while places:
            value, base = places.pop()
            if isinstance(value, dict):
                base = self._named(value, base)
                places += ((each, base) for each in value.values())
            elif isinstance(value, list):
                places += ((each, base) for each in value)

    def referred(self, schema: _Schema) -> Iterator[_Schema]:
        """Return the subschemas that the references of one refer to."""
        if isinstance(reference := schema.get("$ref"), str):
            yield from self._found(reference, self._bases[id(schema)])
        if isinstance(reference := schema.get("$dynamicRef"), str):
            # Which one it is depends on who asks, so it counts as all that it could be.
            yield from self._dynamic.get(urldefrag(reference).fragment, ())
            yield from self._found(reference, self._bases[id(schema)])

    def _named(self, schema: _Schema, base: str) -> str:
        """Remember the names of a subschema, and return the base of the references in it."""
        if isinstance(name := schema.get("$id"), str):
            base = urldefrag(_joined(self._field, base, name)).url
            if self._resources.setdefault(base, schema) is not schema:
                raise InvalidField(self._field, f"two subschemas have the $id {quoted(name)}")
        self._bases[id(schema)] = base
        for keyword in ("$anchor", "$dynamicAnchor"):
            if isinstance(name := schema.get(keyword), str):
                if self._anchors.setdefault((base, name), schema) is not schema:
                    raise InvalidField(self._field, f"two subschemas have the anchor {quoted(name)}")
                if keyword == "$dynamicAnchor":
                    self._dynamic[name].append(schema)
        return base

    def _found(self, reference: str, base: str) -> Iterator[_Schema]:
        url, fragment = urldefrag(_joined(self._field, base, reference))
        if url not in self._resources:
            raise InvalidField(
                self._field,
                f"a $ref or $dynamicRef must refer to a place in the schema itself; got {quoted(reference)}",
            )
        if fragment == "":
            found: object = self._resources[url]
        elif fragment.startswith("/"):
            found = _pointed(self._resources[url], unquote(fragment))
        else:
            found = self._anchors.get((url, unquote(fragment)))
        if not isinstance(found, dict | bool):
            raise InvalidField(self._field, f"there is no subschema at the reference {quoted(reference)}")
        if isinstance(found, dict):
            yield found


def _joined(field: str, base: str, reference: str) -> str:
    try:
        return urljoin(base, reference)
    except ValueError:
        raise InvalidField(field, f"a $id or $ref must be a URI reference; got {quoted(reference)}") from None


def _pointed(document: object, pointer: str) -> object:
    """Return what a JSON Pointer (RFC 6901) that is not empty points to, or None."""
    found = document
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(key)
        elif isinstance(found, list) and key.isascii() and key.isdigit():
            found = found[int(key)] if len(key) < 10 and int(key) < len(found) else None
        else:
            return None
    return found


def _applied_max(field: str, graph: _Graph) -> int:
    """Return how many subschemas apply to one value at most, each as often as it does."""
    applied: dict[int, int] = {}
    depths: dict[int, int] = {}
    try:
        order = list(graphlib.TopologicalSorter(graph.here).static_order())
    except graphlib.CycleError:
        raise InvalidField(
            field, "a subschema applies itself, over references, to the same value again and so would never end"
        ) from None
    for schema in order:
        applied[schema] = 1 + sum(applied[each] for each in graph.here[schema])
        depths[schema] = 1 + max((depths[each] for each in graph.here[schema]), default=0)
        if applied[schema] > _APPLIED_MAX:
            raise InvalidField(field, f"more than {_APPLIED_MAX} subschemas, over references, apply to one value")
        if depths[schema] > _APPLIED_DEPTH_MAX:
            raise InvalidField(field, f"more than {_APPLIED_DEPTH_MAX} references stand in each other")
    return max(applied.values())


def _ways_max(field: str, graph: _Graph, groups: Sequence[Sequence[int]]) -> int:
    """Return on how many ways the subschema that is reached on most is reached from the root.

    A round counts once: the validator remembers what it has found for a recursive subschema and a value.
    """
    group_of = {schema: index for index, group in enumerate(groups) for schema in group}
    ways = [0] * len(groups)
    ways[group_of[graph.root]] = 1
    for index in reversed(range(len(groups))):
        if ways[index] > _WAYS_MAX:
            raise InvalidField(field, f"a subschema is reached on more than {_WAYS_MAX} ways over references")
        for schema in groups[index]:
            for each in graph.applied(schema):
                if group_of[each] != index:
                    ways[group_of[each]] += ways[index]
    return max(ways)


def _groups(graph: _Graph) -> list[list[int]]:
    """Return the subschemas in groups that reach each other, each group after those that it reaches.

    Tarjan's algorithm, with a stack of its own, for references may stand in each other thousands deep.
    """
    numbers: dict[int, int] = {}
    lowest: dict[int, int] = {}
    grouped: set[int] = set()
    open_: list[int] = []
    groups: list[list[int]] = []
    path = [(graph.root, iter(graph.applied(graph.root)))]
    numbers[graph.root] = lowest[graph.root] = 0
    open_.append(graph.root)
    while path:
        schema, following = path[-1]
        for each in following:
            if each not in numbers:
                numbers[each] = lowest[each] = len(numbers)
                open_.append(each)
                path.append((each, iter(graph.applied(each))))
                break
            if each not in grouped:
                lowest[schema] = min(lowest[schema], numbers[each])
        else:
            path.pop()
            if path:
                lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[schema])
            if lowest[schema] == numbers[schema]:
                groups.append(_closed(open_, schema))
                grouped.update(groups[-1])
    return groups


def _closed(open_: list[int], first: int) -> list[int]:
    """Take what was opened since `first`, and `first`, off the list."""
    group = [open_.pop()]
    while group[-1] != first:
        group.append(open_.pop())
    return group
