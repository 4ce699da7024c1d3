"""Who may call what: the scope of a method, and the workspace that a request is about.

The scopes stand beside the methods in the contract, and are read from its descriptors. What a descriptor does not say
is allowed to nobody. Knows nothing of credentials.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, MethodDescriptor

from service.domain.access import Grant, Scope
from service.domain.errors import PermissionMissing
from tidings.v1 import access_pb2, event_types_pb2, notifications_pb2, publishing_pb2, subscriptions_pb2

_SCOPES: Final[Mapping[str, Scope]] = {scope.value: scope for scope in Scope}
# All organizations share the event types, so requests about them name no workspace.
_WITHOUT_WORKSPACE: Final = frozenset({Scope.EVENT_TYPES_READ, Scope.EVENT_TYPES_WRITE})
# Where the name in a request is that says which workspace it is about; the first of them that the request has.
_NAMES: Final = (("parent",), ("name",), ("subscription", "name"))
# What is imported here is in the pool, in which methods are looked up.
_CONTRACT: Final = (event_types_pb2, notifications_pb2, publishing_pb2, subscriptions_pb2)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a method asks of its callers.

    Args:
        method: its name, `package.Service/Method`.
        scope: what they must have been granted; None for a method that nobody may call.
        name_path: the fields that lead to the name whose workspace must be covered; empty if it is about none.
    """

    method: str
    scope: Scope | None
    name_path: tuple[str, ...] = ()

    def check_method(self, grant: Grant) -> None:
        """Refuse who may not call the method.

        Raises:
            PermissionMissing: the scope is missing, or the method has none.
        """
        if self.scope is None:
            raise PermissionMissing(f"{self.method} declares no scope that could be granted, so nobody may call it")
        grant.check_scope(self.scope)

    def check_request(self, grant: Grant, request: Any) -> None:
        """Refuse a request about a workspace that is not covered, whatever is or is not there.

        A name that does not parse passes: its handler refuses it before it looks for anything.

        Raises:
            ResourceNotFound: it names a resource in a workspace that is not covered.
            PermissionMissing: it names such a workspace.
        """
        if not self.name_path or grant.binding.is_everything:
            return
        name = request
        for field in self.name_path:
            name = getattr(name, field)
        grant.check_name(name)


def rule_of(method: str) -> Rule:
    """Return the rule of a method, `package.Service/Method`, by its descriptor."""
    service_name, _, method_name = method.partition("/")
    found = _descriptors(service_name).get(method_name)
    scope = None if found is None else _SCOPES.get(found.GetOptions().Extensions[access_pb2.scope])
    if found is None or scope is None:
        return Rule(method, None)
    if scope in _WITHOUT_WORKSPACE:
        return Rule(method, scope)
    name_path = _name_path(found.input_type)
    # Without one, nobody could say whose workspace it reaches.
    return Rule(method, scope, name_path) if name_path else Rule(method, None)


def _descriptors(service_name: str) -> Mapping[str, MethodDescriptor]:
    try:
        service = descriptor_pool.Default().FindServiceByName(service_name)
    except KeyError:
        return {}
    return {method.name: method for method in service.methods}


@cache
def _name_path(request: Descriptor) -> tuple[str, ...]:
    return next((path for path in _NAMES if _has(request, path)), ())


def _has(message: Descriptor | None, path: tuple[str, ...]) -> bool:
    if not path:
        return True
    field = None if message is None else message.fields_by_name.get(path[0])
    return field is not None and _has(field.message_type, path[1:])
