"""Types as an author writes them."""

from __future__ import annotations

from collections.abc import Container, Mapping

from contracts.language import syntax
from contracts.language.problems import Problems
from contracts.language.types import (
    KEYS,
    NONE,
    SCALARS,
    UNKNOWN,
    dict_of,
    instance_of,
    is_container,
    is_optional,
    is_record,
    is_scalar,
    list_of,
    optional_of,
)
from contracts.program import TypeSpec

_KEY_NAMES = "int, str, bytes, Party, Oracle or Instance"


class Annotations:
    """Reads types, with the records and interfaces of the source, and tells what is wrong with them."""

    def __init__(
        self, problems: Problems, records: Mapping[str, TypeSpec], interfaces: Container[str]
    ) -> None:
        self._problems = problems
        self._records = records
        self._interfaces = interfaces

    def _refuse(self, node: syntax.Expression, text: str) -> TypeSpec:
        self._problems.add(node.place, text)
        return UNKNOWN

    def read(self, node: syntax.Expression) -> TypeSpec:
        """The type of a value: a scalar, a record, an interface, a list, a dict, or one of them or None."""
        if isinstance(node, syntax.Maybe):
            return self._optional(node)
        if isinstance(node, syntax.Name) and node.name in self._records:
            return self._records[node.name]
        if isinstance(node, syntax.Name) and node.name in self._interfaces:
            return instance_of(node.name)
        if isinstance(node, syntax.Name) and node.name in SCALARS:
            return SCALARS[node.name]
        if isinstance(node, syntax.Name) and node.name in ("list", "dict"):
            return self._refuse(node, f"say what is in the {node.name}: list[int] or dict[str, int]")
        if isinstance(node, syntax.Name) and node.name == "float":
            return self._refuse(node, "there is no float: use int, Money or Percent")
        if isinstance(node, syntax.Subscript) and isinstance(node.owner, syntax.Name):
            parts = node.index.items if isinstance(node.index, syntax.TupleDisplay) else (node.index,)
            if node.owner.name == "list" and len(parts) == 1:
                return self._list(parts[0])
            if node.owner.name == "dict" and len(parts) == 2:
                return self._dict(parts[0], parts[1])
        return self._refuse(node, f"this is no type: write {', '.join(SCALARS)}, list[...] or dict[..., ...]")

    def scalar(self, node: syntax.Expression) -> TypeSpec:
        """The type of one value that is not made of parts; it may be optional."""
        spec = self.read(node)
        if is_container(spec) or is_record(spec.items[0] if is_optional(spec) else spec):
            return self._refuse(node, "a list, dict or record cannot stand here")
        return spec

    def field(self, node: syntax.Expression) -> TypeSpec:
        """The type of a record's field: a scalar, which may be optional, or a list of scalars."""
        spec = self.read(node)
        inner = spec.items[0] if is_optional(spec) or spec.name == "list" else spec
        if spec is UNKNOWN or is_scalar(inner):
            return spec
        return self._refuse(node, "a field is a scalar, `scalar | None`, or a list of scalars")

    def _optional(self, node: syntax.Maybe) -> TypeSpec:
        inner = self.read(node.inner)
        if inner is UNKNOWN or is_scalar(inner) or is_record(inner):
            return UNKNOWN if inner is UNKNOWN else optional_of(inner)
        return self._refuse(node, "only a scalar or a record may be None: start a list or dict empty")

    def returned(self, node: syntax.Expression | None) -> TypeSpec:
        if node is None or (isinstance(node, syntax.Literal) and node.value is None):
            return NONE
        return self.read(node)

    def table(self, node: syntax.Expression) -> TypeSpec:
        """Table[key, value], where the key may be tuple[key, key]."""
        index = node.index if isinstance(node, syntax.Subscript) else None
        if not isinstance(index, syntax.TupleDisplay) or len(index.items) != 2:
            return self._refuse(node, "say what the table holds, as in Table[Party, int]")
        key_node, value_node = index.items
        key, value = self._table_key(key_node), self.read(value_node)
        return UNKNOWN if UNKNOWN in (key, value) else TypeSpec("Table", (key, value))

    def _table_key(self, node: syntax.Expression) -> TypeSpec:
        if not isinstance(node, syntax.Subscript):
            return self._key(node)
        parts = node.index.items if isinstance(node.index, syntax.TupleDisplay) else ()
        if not isinstance(node.owner, syntax.Name) or node.owner.name != "tuple" or len(parts) != 2:
            return self._refuse(node, f"a table is keyed by {_KEY_NAMES}, or by tuple[...] of two of them")
        keys = tuple(self._key(part) for part in parts)
        return UNKNOWN if UNKNOWN in keys else TypeSpec("tuple", keys)

    def _key(self, node: syntax.Expression) -> TypeSpec:
        spec = self.read(node)
        if spec is not UNKNOWN and spec not in KEYS and spec.name != "Instance":
            return self._refuse(node, f"a key is {_KEY_NAMES}")
        return spec

    def _list(self, node: syntax.Expression) -> TypeSpec:
        item = self._inner(node, self.read(node))
        return UNKNOWN if item is UNKNOWN else list_of(item)

    def _dict(self, key_node: syntax.Expression, value_node: syntax.Expression) -> TypeSpec:
        key, value = self._key(key_node), self._inner(value_node, self.read(value_node))
        return UNKNOWN if UNKNOWN in (key, value) else dict_of(key, value)

    def _inner(self, node: syntax.Expression, spec: TypeSpec) -> TypeSpec:
        inner = spec.items[0] if spec.name == "list" else spec
        if spec is not UNKNOWN and not is_scalar(inner) and not (is_record(spec) and inner is spec):
            return self._refuse(
                node, "a list or dict holds scalars, records or lists of scalars, and nothing deeper"
            )
        return spec
