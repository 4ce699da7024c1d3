"""Server reflection, v1 and v1alpha, with the contract's comments: what `grpcurl describe` prints is the manual.

Not the servicer of grpcio-reflection: it serves the files that Python has loaded, which have lost their comments, and
it knows v1alpha only. The messages of both versions are identical on the wire, so one set of classes serves both.
"""

from __future__ import annotations

import importlib.resources
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator

import grpc
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2 import (
    ErrorResponse,
    ExtensionNumberResponse,
    FileDescriptorResponse,
    ListServiceResponse,
    ServerReflectionRequest,
    ServerReflectionResponse,
    ServiceResponse,
)

from service.api.methods import Context
from service.domain.errors import quoted

SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


def described_files() -> list[FileDescriptorProto]:
    """Return the files of everything this server can speak: the contract with its comments, and gRPC's own services."""
    contract = importlib.resources.files("tidings.v1").joinpath("descriptors.binpb").read_bytes()
    v1alpha = FileDescriptorProto.FromString(reflection_pb2.DESCRIPTOR.serialized_pb)
    v1 = text_format.Parse(text_format.MessageToString(v1alpha).replace("v1alpha", "v1"), FileDescriptorProto())
    health = FileDescriptorProto.FromString(health_pb2.DESCRIPTOR.serialized_pb)
    return [*FileDescriptorSet.FromString(contract).file, health, v1alpha, v1]


def reflection_handlers(services: Iterable[str]) -> tuple[grpc.GenericRpcHandler, ...]:
    """Return the handlers of both versions, for a server that has these services beside reflection itself."""
    reflection = Reflection((*services, *SERVICES), described_files())
    method = grpc.stream_stream_rpc_method_handler(
        reflection.answers,
        request_deserializer=ServerReflectionRequest.FromString,
        response_serializer=ServerReflectionResponse.SerializeToString,
    )
    return tuple(
        grpc.method_handlers_generic_handler(service, {"ServerReflectionInfo": method}) for service in SERVICES
    )


class Reflection:
    """Answers questions about a set of descriptor files. Everything is looked up in indexes made at the start."""

    def __init__(self, services: Iterable[str], files: Iterable[FileDescriptorProto]) -> None:
        self._services = sorted(services)
        self._files: dict[str, FileDescriptorProto] = {file.name: file for file in files}
        self._file_of_symbol: dict[str, str] = {}
        self._file_of_extension: dict[tuple[str, int], str] = {}
        self._extensions: dict[str, list[int]] = defaultdict(list)
        self._messages: set[str] = set()
        for file in self._files.values():
            self._index(file)

    async def answers(
        self,
        requests: AsyncIterator[ServerReflectionRequest],
        context: Context,
    ) -> AsyncIterator[ServerReflectionResponse]:
        """Yield one answer for each request of the stream. What is not found is an answer too."""
        async for request in requests:
            answer = self._answer(request)
            answer.valid_host = request.host
            answer.original_request.CopyFrom(request)
            yield answer

    def _answer(self, request: ServerReflectionRequest) -> ServerReflectionResponse:
        match request.WhichOneof("message_request"):
            case "file_by_filename":
                name = request.file_by_filename
                return self._files_answer(name if name in self._files else None, f"file {quoted(name)}")
            case "file_containing_symbol":
                symbol = request.file_containing_symbol.removeprefix(".")
                return self._files_answer(self._file_of_symbol.get(symbol), f"symbol {quoted(symbol)}")
            case "file_containing_extension":
                wanted = request.file_containing_extension
                extended, number = wanted.containing_type.removeprefix("."), wanted.extension_number
                found = self._file_of_extension.get((extended, number))
                return self._files_answer(found, f"extension {number} of {quoted(extended)}")
            case "all_extension_numbers_of_type":
                return self._extension_numbers(request.all_extension_numbers_of_type.removeprefix("."))
            case "list_services":
                services = [ServiceResponse(name=name) for name in self._services]
                return ServerReflectionResponse(list_services_response=ListServiceResponse(service=services))
            case _:
                return _error(grpc.StatusCode.INVALID_ARGUMENT, "the request asks for nothing that this server knows")

    def _files_answer(self, name: str | None, wanted: str) -> ServerReflectionResponse:
        if name is None:
            return _error(grpc.StatusCode.NOT_FOUND, f"there is no {wanted} here")
        content = [self._files[file].SerializeToString() for file in self._with_imports(name)]
        return ServerReflectionResponse(file_descriptor_response=FileDescriptorResponse(file_descriptor_proto=content))

    def _extension_numbers(self, message: str) -> ServerReflectionResponse:
        if message not in self._messages:
            return _error(grpc.StatusCode.NOT_FOUND, f"there is no message {quoted(message)} here")
        return ServerReflectionResponse(
            all_extension_numbers_response=ExtensionNumberResponse(
                base_type_name=message, extension_number=sorted(self._extensions.get(message, ()))
            )
        )

    def _with_imports(self, name: str) -> list[str]:
        """Return a file and all it imports, directly or not: itself first, each once."""
        names = [name]
        for found in names:
            names += [imported for imported in self._files[found].dependency if imported not in names]
        return names

    def _index(self, file: FileDescriptorProto) -> None:
        for symbol in _symbols(file):
            self._file_of_symbol[symbol] = file.name
        for message_name, message in _messages(file.package, file.message_type):
            self._messages.add(message_name)
            self._index_extensions(message.extension, file)
        self._index_extensions(file.extension, file)

    def _index_extensions(self, extensions: Iterable[FieldDescriptorProto], file: FileDescriptorProto) -> None:
        for extension in extensions:
            extended = extension.extendee.removeprefix(".")
            self._file_of_extension[extended, extension.number] = file.name
            self._extensions[extended].append(extension.number)


def _error(code: grpc.StatusCode, message: str) -> ServerReflectionResponse:
    number, _ = code.value
    return ServerReflectionResponse(error_response=ErrorResponse(error_code=number, error_message=message))


def _symbols(file: FileDescriptorProto) -> Iterator[str]:
    for service in file.service:
        service_name = _joined(file.package, service.name)
        yield service_name
        yield from (_joined(service_name, method.name) for method in service.method)
    for name, message in _messages(file.package, file.message_type):
        yield name
        yield from (_joined(name, field.name) for field in (*message.field, *message.extension))
        yield from (_joined(name, oneof.name) for oneof in message.oneof_decl)
        yield from _enum_symbols(name, message.enum_type)
    yield from _enum_symbols(file.package, file.enum_type)
    yield from (_joined(file.package, extension.name) for extension in file.extension)


def _messages(scope: str, messages: Iterable[DescriptorProto]) -> Iterator[tuple[str, DescriptorProto]]:
    for message in messages:
        name = _joined(scope, message.name)
        yield name, message
        yield from _messages(name, message.nested_type)


def _enum_symbols(scope: str, enums: Iterable[EnumDescriptorProto]) -> Iterator[str]:
    for enum in enums:
        yield _joined(scope, enum.name)
        # As in C++, an enum's values stand beside it, not below it.
        yield from (_joined(scope, value.name) for value in enum.value)


def _joined(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope else name
