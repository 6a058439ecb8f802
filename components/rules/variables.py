"""Environment variables that the chosen artifact store sets: no other part of the configuration may write them as well."""

from collections.abc import Iterator

from pydantic.alias_generators import to_camel

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import Problem
from ..arguments.kinds import variables_of_kind


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """A store's library would follow the last of two values, and nobody would be told. The variables of other kinds are free:
    a gateway may need keys of AWS or Google, whatever the artifacts are on."""
    chosen = args.artifacts.chosen
    if chosen is None:
        return
    name, kind = chosen
    taken = variables_of_kind(f"artifacts.{to_camel(name)}", kind)
    uri = args.artifacts.uri
    if uri is not None:
        taken |= dict.fromkeys([*uri.env, *(uri.secret_env or {})], "artifacts.uri has it as well: keep one of them")
    server = args.server
    fields = {"env": server.env, "secret_env": server.secret_env or {}, "value_from": server.value_from}
    for field, variable in [(field, variable) for field, variables in fields.items() for variable in variables]:
        if variable in taken:
            yield Problem(("server", field, variable), "is set by this component", taken[variable])
