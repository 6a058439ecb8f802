"""Runs a Pulumi program against a recording stand-in for the engine: what is registered is what a test looks at.

Assertions inside `apply` never run where a value is unknown; those on registrations, after the program has ended, do.
"""

import asyncio
import contextvars
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from google.protobuf import json_format
from pulumi.runtime import mocks, resource, rpc
from pulumi.runtime.proto import source_pb2

from components import MlflowDeployment, MlflowDeploymentArgs, to_arguments
from tests.graph import aws, clouds

PROJECT, STACK = "mlflow", "test"

# Where each resource was made, which nothing looks at, is a fifth of the time: each frame below a test is sent along.
resource._get_stack_trace = source_pb2.StackTrace


@dataclass(frozen=True)
class Secret:
    """A value that was sent to the engine as a secret."""

    value: Any = field(repr=False)


@dataclass(frozen=True)
class Registration:
    """What a program told the engine about one resource.

    Attributes:
        type, name, urn, parent: What and where it is; `parent` is a URN.
        inputs: Inputs in the provider's own spelling, secrets wrapped.
        provider: Reference of the provider of this resource, empty for the default one.
        protect: Whether it may not be deleted.
        depends_on: URNs of what must be there before.
        timeouts: Custom timeouts for `create`, `update`, `delete`.
        ignored: Inputs that keep the value in the state.
    """

    type: str
    name: str
    urn: str
    parent: str
    inputs: Mapping[str, Any]
    provider: str
    protect: bool
    depends_on: frozenset[str]
    timeouts: Mapping[str, str]
    ignored: Sequence[str]

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self.inputs["metadata"]

    @property
    def spec(self) -> Mapping[str, Any]:
        return self.inputs["spec"]

    @property
    def pod(self) -> Mapping[str, Any]:
        """The pod template of a Deployment, Job or CronJob."""
        spec = self.spec.get("jobTemplate", {}).get("spec", self.spec)
        return spec["template"]


class Graph(list[Registration]):
    """All registrations of a program in their order, without the stack itself, and the outputs of its components."""

    def __init__(self, registrations: Iterable[Registration], outputs: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(registrations)
        self.outputs = outputs

    def of(self, kind: str) -> list[Registration]:
        """Resources whose type ends so: `Secret`, `apps/v1:Deployment`."""
        return [r for r in self if r.type.endswith(f":{kind}") or r.type.endswith(f"/{kind}")]

    def one(self, kind: str) -> Registration:
        """The only resource of a kind."""
        (found,) = self.of(kind)
        return found

    def named(self, name: str, kind: str = "") -> Registration:
        """The resource with this logical name, of a type that ends so where several have it."""
        (found,) = [r for r in self if r.name == name and r.type.endswith(kind)]
        return found

    def pods(self) -> Iterator[tuple[Registration, Mapping[str, Any]]]:
        """Each owner of pods with its template."""
        for registration in self:
            if {"template", "jobTemplate"} & set(registration.inputs.get("spec") or {}):
                yield registration, registration.pod

    def working_pods(self) -> list[tuple[Registration, Mapping[str, Any]]]:
        """The same without the preflight, which starts the image and nothing else."""
        return [(owner, pod) for owner, pod in self.pods() if not owner.name.endswith("-preflight")]


class _Provider(mocks.Mocks):
    """Answers as the real providers do: names where none is given, and generated secrets; unknown in a preview."""

    def __init__(self, preview: bool, answers: Mapping[str, Any]) -> None:
        self.preview = preview
        self.answers = answers

    def call(self, args: mocks.MockCallArgs) -> Any:
        assert args.token in self.answers, f"the component asks a provider: {args.token}"
        return self.answers[args.token]

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        state = dict(args.inputs)
        if args.typ.endswith(":RandomId"):
            # Ports are known unless they are about to change; what a preview makes of that is on the engine rung.
            known = not self.preview or args.name.endswith("-ports")
            state["hex"] = "0a1b2c3d" if known else rpc.UNKNOWN
        elif args.typ.startswith("random:"):
            length = int(args.inputs.get("length", 0))
            generated = rpc.UNKNOWN if self.preview else f"generated-{args.name}".ljust(length, "x")
            secret = {rpc._special_sig_key: rpc._special_secret_sig, "value": generated}
            state["result"] = secret if args.typ.endswith("Password") else generated
        elif args.typ.startswith("kubernetes:"):
            metadata = state.get("metadata") or {}
            made = rpc.UNKNOWN if self.preview else f"{args.name}-1a2b3c4d"
            state["metadata"] = {**metadata, "name": metadata.get("name") or made}
        elif args.typ.startswith("aws:"):
            computed = aws.computed(args.typ, args.name, state)
            state |= dict.fromkeys(computed, rpc.UNKNOWN) if self.preview else computed
        elif args.typ.startswith(("gcp:", "azure-native:")):
            computed = clouds.computed(args.typ, args.name, state)
            if self.preview:
                computed = dict.fromkeys(computed, rpc.UNKNOWN) | ({"name": state["name"]} if state.get("name") else {})
            state |= computed
        if args.resource_id:  # looked up
            return args.resource_id, state | {"name": args.resource_id.rpartition("/")[2]}
        return (None if self.preview else clouds.identifier(args.typ, args.name)), state


class _Monitor(mocks.MockMonitor):
    def __init__(self, provider: mocks.Mocks) -> None:
        super().__init__(provider)
        self.registrations: list[Registration] = []
        self.outputs: dict[str, Mapping[str, Any]] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        response = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            timeouts = request.customTimeouts
            self.registrations.append(
                Registration(
                    type=request.type,
                    name=request.name,
                    urn=response.urn,
                    parent=request.parent,
                    inputs=_plain(request.object),
                    provider=request.provider,
                    protect=request.protect,
                    depends_on=frozenset(request.dependencies),
                    timeouts={k: getattr(timeouts, k) for k in ("create", "update") if getattr(timeouts, k)},
                    ignored=list(request.ignoreChanges),
                )
            )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        self.outputs[request.urn] = _plain(request.outputs)
        return super().RegisterResourceOutputs(request)


def _plain(struct: Any) -> dict[str, Any]:
    return _unwrap(json_format.MessageToDict(struct))


def _unwrap(value: Any) -> Any:
    if isinstance(value, list):
        return [_unwrap(item) for item in value]
    if not isinstance(value, dict):
        return int(value) if isinstance(value, float) and value.is_integer() else value
    if value.get(rpc._special_sig_key) == rpc._special_secret_sig:
        return Secret(_unwrap(value["value"]))
    return {key: _unwrap(item) for key, item in value.items()}


def run(program: Callable[[], Any], *, preview: bool = False, answers: Mapping[str, Any] | None = None) -> Graph:
    """Run a program to its end in a context and an event loop of its own.

    Args:
        program: Makes resources.
        preview: Whether what providers compute is unknown, as in `pulumi preview`.
        answers: What providers' functions answer, by token; the component itself calls none.
    """
    return contextvars.copy_context().run(_run, program, preview, answers or {})


def _run(program: Callable[[], Any], preview: bool, answers: Mapping[str, Any]) -> Graph:
    provider = _Provider(preview, answers)
    monitor = _Monitor(provider)
    loop = asyncio.new_event_loop()
    # What fails is raised below. All that waits for the same would tell it again whenever it is collected, on pages of its own.
    loop.set_exception_handler(lambda _, __: None)
    asyncio.set_event_loop(loop)
    try:
        pulumi.runtime.settings.set_root_resource(None)  # type: ignore[arg-type]
        mocks.set_mocks(provider, PROJECT, STACK, preview=preview, monitor=monitor)
        mocks.test(program)()
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return Graph(monitor.registrations, monitor.outputs)


def make(name: str, configuration: Any, **options: Any) -> MlflowDeployment:
    """A deployment from arguments or a mapping, inside a program."""
    return MlflowDeployment(name, configuration, pulumi.ResourceOptions(**options))


def arguments_of(configuration: Mapping[str, Any]) -> MlflowDeploymentArgs:
    """The arguments of a configuration; the last ones are kept, since many checks of one graph ask for them in turn."""
    if _LAST.get("configuration") is not configuration:
        _LAST.update(configuration=configuration, arguments=to_arguments(configuration))
    return _LAST["arguments"]


_LAST: dict[str, Any] = {}


def deploy(configuration: Any, *, preview: bool = False, **options: Any) -> Graph:
    """The graph of a program with one deployment."""
    return run(lambda: (make("mlflow", configuration, **options), None)[1], preview=preview)
