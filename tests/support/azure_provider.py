"""A stand-in for the provider of Azure, whose schema is in no package: it answers the engine as a provider does.

Inputs are checked against the SDK's own types, which are generated from the real provider's schema. What is made is kept in
memory, with locks that hold and servers that do one thing at a time, as Azure's do; databases and containers are real ones.
"""

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN

from tests.support.sdk_types import misfits

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000001"
NAMES = {
    "BlobContainer": "containerName",
    "BlobServiceProperties": "blobServicesName",
    "Configuration": "configurationName",
    "Database": "databaseName",
    "FederatedIdentityCredential": "federatedIdentityCredentialResourceName",
    "ManagementLockByScope": "lockName",
    "ManagementPolicy": "managementPolicyName",
    "PrivateDnsZoneGroup": "privateDnsZoneGroupName",
    "PrivateEndpoint": "privateEndpointName",
    "RoleAssignment": "roleAssignmentName",
    "Server": "serverName",
    "StorageAccount": "accountName",
    "UserAssignedIdentity": "resourceName",
}
"""The property that names a resource."""
PARENTS = {
    "BlobContainer": ("StorageAccount", "accountName"),
    "BlobServiceProperties": ("StorageAccount", "accountName"),
    "ManagementPolicy": ("StorageAccount", "accountName"),
    "Configuration": ("Server", "serverName"),
    "Database": ("Server", "serverName"),
    "FederatedIdentityCredential": ("UserAssignedIdentity", "resourceName"),
    "PrivateDnsZoneGroup": ("PrivateEndpoint", "privateEndpointName"),
}
"""The resource that another one is part of, and the property that names it."""
SEGMENTS = {"Server": "flexibleServers", "Database": "databases", "Configuration": "configurations"}
"""Parts of ids that the component writes or reads."""
FIXED = {
    "Server": {
        "location",
        "administratorLogin",
        "network.delegatedSubnetResourceId",
        "backup.geoRedundantBackup",
        "sourceServerResourceId",
        "pointInTimeUTC",
        "restorePointInTime",
    },
    "StorageAccount": {"location", "kind", "encryption.requireInfrastructureEncryption"},
    "RoleAssignment": {"principalId", "scope", "roleDefinitionId"},
    "Database": {"charset", "collation"},
}
"""What Azure cannot change, besides names."""


class RefusedError(Exception):
    """Azure's answer to what it does not do."""


@dataclass
class Azure:
    """The cloud's memory.

    Attributes:
        made: Resources by their id: type, and state.
        asked: Their inputs by their id.
        calls: Everything that was created, changed or deleted, with the kind of its resource.
        names: Name that a database server is given by its type; leads to a real one.
        on_create: Called with each new resource's type and state, before it is there; makes what is real.
    """

    names: Mapping[str, str]
    on_create: Callable[[str, dict[str, Any]], None] = lambda token, state: None
    made: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    asked: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    busy: dict[str, threading.Lock] = field(default_factory=dict)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """States of all resources whose type ends so."""
        return [state for token, state in self.made.values() if token.endswith(f":{kind}")]

    def identifier(self, token: str, inputs: dict[str, Any]) -> str:
        """Resource id."""
        _, module, kind = token.split(":")
        name = inputs[NAMES[kind]]
        if kind in ("RoleAssignment", "ManagementLockByScope"):
            where = "roleAssignments" if kind == "RoleAssignment" else "locks"
            return f"{inputs['scope']}/providers/Microsoft.Authorization/{where}/{name}"
        group = f"{SUBSCRIPTION}/resourceGroups/{inputs['resourceGroupName']}"
        if kind in PARENTS:
            parent, key = PARENTS[kind]
            above = self.identifier(f"azure-native:{module}:{parent}", {**inputs, NAMES[parent]: inputs[key]})
            between = "/blobServices/default/containers" if kind == "BlobContainer" else f"/{SEGMENTS.get(kind, kind)}"
            return f"{above}{between}/{name}"
        return f"{group}/providers/Microsoft.{module}/{SEGMENTS.get(kind, kind)}/{name}"

    def computed(self, token: str, inputs: dict[str, Any], known: bool = True) -> dict[str, Any]:
        """What Azure adds to a resource."""
        kind = token.split(":")[-1]
        name = inputs[NAMES[kind]]
        added: dict[str, Any] = {"name": name, "azureApiVersion": "2025-08-01"}
        if kind == "Server":
            added |= {"fullyQualifiedDomainName": self.names[token], "state": "Ready"}
        if kind == "UserAssignedIdentity":
            added |= {each: uuid(f"{each} {name}") for each in ("clientId", "principalId", "tenantId")}
        return added if known else dict.fromkeys(added, UNKNOWN) | {"name": name}

    def create(self, token: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Make a resource."""
        kind, identifier = token.split(":")[-1], self.identifier(token, inputs)
        if identifier in self.made:
            raise RefusedError(f"cannot create already existing resource '{identifier}'")
        if kind in PARENTS:
            above = identifier.split("/blobServices/")[0] if kind == "BlobContainer" else identifier.rsplit("/", 2)[0]
            if above not in self.made:
                raise RefusedError(f"ParentResourceNotFound: {above}")
        elif kind in ("RoleAssignment", "ManagementLockByScope") and inputs["scope"] not in self.made:
            raise RefusedError(f"ResourceNotFound: {inputs['scope']}")
        state = {**inputs, **self.computed(token, inputs)}
        with self._one_at_a_time(kind, inputs):
            self.on_create(token, state)
            self.made[identifier], self.asked[identifier] = (token, state), inputs
            self.calls.append(("create", kind))
            if inputs.get("createMode") == "PointInTimeRestore":
                self._copy(identifier, inputs["sourceServerResourceId"])
        return identifier, state

    def _copy(self, target: str, source: str) -> None:
        """Give a restored server what its source has: databases, and a password that the request does not change."""
        if source not in self.made:
            raise RefusedError(f"ResourceNotFound: {source}")
        password = self.asked[source]["administratorLoginPassword"]
        self.made[target][1]["administratorLoginPassword"] = password
        for identifier, (token, state) in list(self.made.items()):
            if identifier.startswith(f"{source}/databases/"):
                there = f"{target}{identifier.removeprefix(source)}"
                self.made[there] = (token, {**state, "serverName": target.rpartition("/")[2]})
                self.asked[there] = self.asked[identifier]

    def update(self, token: str, identifier: str, inputs: dict[str, Any]) -> dict[str, Any]:
        """Change a resource."""
        if inputs.get("createMode") == "PointInTimeRestore":
            raise RefusedError(f"ServerNameAlreadyExists: '{identifier}': a restore makes a new server")
        state = {**inputs, **self.computed(token, inputs)}
        with self._one_at_a_time(token.split(":")[-1], inputs):
            self.made[identifier], self.asked[identifier] = (token, state), inputs
            self.calls.append(("update", token.split(":")[-1]))
        return state

    def delete(self, token: str, identifier: str) -> None:
        """Delete a resource with what is part of it, unless a lock holds it."""
        for kind, state in list(self.made.values()):
            held = kind.endswith(":ManagementLockByScope") and f"{identifier}/".startswith(f"{state['scope']}/")
            if held and not identifier.endswith(f"/locks/{state['lockName']}"):
                raise RefusedError(f"ScopeLocked: '{state['scope']}' cannot be deleted because of a lock")
        for each in [each for each in self.made if f"{each}/".startswith(f"{identifier}/")]:
            del self.made[each]
        self.calls.append(("delete", token.split(":")[-1]))

    @contextlib.contextmanager
    def _one_at_a_time(self, kind: str, inputs: dict[str, Any]) -> Iterator[None]:
        """A server that is being changed refuses the next change."""
        if kind not in ("Configuration", "Database") or "serverName" not in inputs:
            yield
            return
        lock = self.busy.setdefault(inputs["serverName"], threading.Lock())
        if not lock.acquire(blocking=False):
            raise RefusedError("ServerIsBusy: Cannot complete operation while the server is busy")
        try:
            threading.Event().wait(0.05)
            yield
        finally:
            lock.release()


class _Provider(provider_pb2_grpc.ResourceProviderServicer):
    def __init__(self, azure: Azure) -> None:
        self.azure = azure

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802 - names of the protocol
        return provider_pb2.ProviderHandshakeResponse()

    def Attach(self, request: Any, context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version="3.29.0")

    def GetSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": "azure-native", "version": "3.29.0"}))

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        token, news, olds = _token(request.urn), _plain(request.news), _plain(request.olds)
        key = NAMES[token.split(":")[-1]]
        if not news.get(key):
            suffix = hashlib.sha256(request.randomSeed).hexdigest()[:8]
            news[key] = olds.get(key) or f"{request.urn.rsplit('::', 1)[1]}{suffix}"
        failures = [provider_pb2.CheckFailure(reason=each) for each in misfits(token, news)]
        return provider_pb2.CheckResponse(inputs=_struct(news), failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        token = _token(request.urn)
        olds, news = _leaves(_plain(request.old_inputs)), _leaves(_plain(request.news))
        kind = token.split(":")[-1]
        changed = sorted(path for path in olds.keys() | news.keys() if olds.get(path) != news.get(path))
        ignored = tuple(request.ignoreChanges)
        changed = [path for path in changed if not path.startswith(ignored)] if ignored else changed
        names = {NAMES[kind], "resourceGroupName", PARENTS.get(kind, ("", NAMES[kind]))[1]}
        replaces = [path for path in changed if path in names | FIXED.get(kind, set())]
        some = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some, diffs=[path.split(".")[0] for path in changed], replaces=[p.split(".")[0] for p in replaces]
        )

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        token, inputs = _token(request.urn), _plain(request.properties)
        if request.preview:
            state = {**inputs, **self.azure.computed(token, inputs, known=False)}
            return provider_pb2.CreateResponse(properties=_struct(state))
        with _told(context):
            identifier, state = self.azure.create(token, inputs)
            return provider_pb2.CreateResponse(id=identifier, properties=_struct(state))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.id not in self.azure.made:
            return provider_pb2.ReadResponse()
        _, state = self.azure.made[request.id]
        inputs = self.azure.asked[request.id]
        return provider_pb2.ReadResponse(id=request.id, properties=_struct(state), inputs=_struct(inputs))

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        token, inputs = _token(request.urn), _plain(request.news)
        if request.preview:
            state = {**inputs, **self.azure.computed(token, inputs, known=False)}
            return provider_pb2.UpdateResponse(properties=_struct(state))
        with _told(context):
            return provider_pb2.UpdateResponse(properties=_struct(self.azure.update(token, request.id, inputs)))

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        with _told(context):
            self.azure.delete(_token(request.urn), request.id)
            return empty_pb2.Empty()

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()


@contextlib.contextmanager
def _told(context: Any) -> Iterator[None]:
    """Tell the engine what was refused."""
    try:
        yield
    except RefusedError as refused:
        context.abort(grpc.StatusCode.UNKNOWN, str(refused))


def _token(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


def uuid(text: str) -> str:
    """An id of Azure's, always the same for the same text."""
    digits = hashlib.sha256(text.encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def _plain(struct: Any) -> dict[str, Any]:
    return _whole(json_format.MessageToDict(struct))


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _struct(values: dict[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(values)
    return made


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in _leaves(item, f"{path}.{key}" if path else key).items()}
    return {path: value}


@contextlib.contextmanager
def serve(azure: Azure) -> Iterator[dict[str, str]]:
    """Answer the engine until the body ends.

    Yields:
        Environment variables with which the plugin that the engine starts (`provider_relay.py`) asks this provider.
    """
    server = grpc.server(futures.ThreadPoolExecutor(16))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(_Provider(azure), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield {"PLAYED_PROVIDER": f"127.0.0.1:{port}"}
    finally:
        server.stop(None)
