"""Field masks: which fields an Update request changes."""

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from service.domain.errors import InvalidField, quoted


def paths(mask: FieldMask, message: Message, *, updatable: frozenset[str], field: str) -> tuple[str, ...]:
    """Return the names of the fields to change, each once, in the order of their field numbers.

    A field is always replaced as a whole, lists, maps and messages too.

    Args:
        mask: paths in snake_case or lowerCamelCase; `*` means all of `updatable`. When it is empty, the fields that
            are set in `message` and updatable are meant.
        message: the resource as the caller sent it.
        updatable: the fields that a caller may change.
        field: the mask's own field path, such as `update_mask`, for the error.

    Raises:
        InvalidField: a path is no field, or goes below one, or must not be changed.
    """
    if not mask.paths:
        chosen = {descriptor.name for descriptor, _ in message.ListFields()} & updatable
    else:
        chosen = set()
        for index, path in enumerate(mask.paths):
            chosen |= _chosen(path, message, updatable=updatable, field=f"{field}.paths[{index}]")
    return tuple(name for name in _names(message) if name in chosen)


def _chosen(path: str, message: Message, *, updatable: frozenset[str], field: str) -> frozenset[str]:
    if path == "*":
        return updatable
    top, dot, _ = path.partition(".")
    name = _field_name(top, message)
    problem = None
    if name is None:
        problem = f"{quoted(path)} is no field of {message.DESCRIPTOR.name}"
    elif name not in updatable:
        problem = f"{quoted(path)} cannot be changed"
    elif dot:
        problem = f"{quoted(path)} is a part of a field, and a field is replaced as a whole: use {quoted(name)}"
    if name is None or problem is not None:
        allowed = ", ".join(name for name in _names(message) if name in updatable)
        raise InvalidField(field, f"{problem}; allowed are * and {allowed}")
    return frozenset((name,))


def _field_name(text: str, message: Message) -> str | None:
    """Return the name of a field given by its name or its JSON name."""
    fields = message.DESCRIPTOR
    found = fields.fields_by_name.get(text) or fields.fields_by_camelcase_name.get(text)
    return None if found is None else found.name


def _names(message: Message) -> list[str]:
    fields = message.DESCRIPTOR.fields_by_number
    return [fields[number].name for number in sorted(fields)]
