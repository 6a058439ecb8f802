"""Transformations of values that are neither a store nor a log-in.

One module although it is long: a list of small functions that `tables/` names, none of which knows another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic.alias_generators import to_camel

from ..arguments.base import looks_secret
from ..arguments.environment import OWN_VARIABLES
from ..reading.messages import type_at
from .conversion import Conversion, Outcome, Transformation, target

__all__ = ["BY", "entries", "remarks"]

_KEYS = {
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "flaskSecretKey",
    "MLFLOW_CRYPTO_KEK_PASSPHRASE": "kekPassphrase",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "webhookSecretEncryptionKey",
}
"""Variables that hold keys which all replicas share, and their arguments in `keys`."""
_MIB = 1 << 20


def _names(c: Conversion, given: Mapping[str, Any]) -> None:
    c.put("names", {"service": c.full_name, "deployment": c.full_name})


def _strategy(c: Conversion, given: Mapping[str, Any]) -> None:
    for path, value in given.items():
        kind = value.get("type") if path == "deploymentStrategy" and isinstance(value, Mapping) else None
        rolling = value.get("rollingUpdate") if isinstance(value, Mapping) else {path.rpartition(".")[2]: value}
        for name, number in (rolling or {}).items() if isinstance(rolling, Mapping) else ():
            if isinstance(number, int) and name in ("maxSurge", "maxUnavailable"):
                c.put(f"server.{name}", number)
            else:
                c.left(path, f"{number!r} is not a number of pods; set server.{name} to one")
        if kind == "Recreate":
            c.say(path, Outcome.NOT_NEEDED, "volumes and SQLite have it by themselves; other stores need no pause")


def _options(c: Conversion, given: Mapping[str, Any]) -> None:
    for path, value in given.items():
        if isinstance(value, list):
            for flag in map(str, value):
                c.say(f"{path}.{flag}", Outcome.CARRIED, "", _flag(c, _kebab(flag)))
            continue
        whole = isinstance(value, Mapping)
        for name, each in value.items() if isinstance(value, Mapping) else [(path.rpartition(".")[2], value)]:
            option, key = _kebab(str(name)), f"{path}.{name}" if whole else path
            if option in ("uvicorn-opts", "gunicorn-opts"):
                c.left(key, "give the options in server.uvicorn, one by one")
            else:
                c.say(key, Outcome.CARRIED, "", _option(c, option, each))


def _option(c: Conversion, option: str, value: Any) -> str:
    """Set an option; returns the argument."""
    if option in ("static-prefix", "workers", "port"):
        ours = f"server.{to_camel(option.replace('-', '_'))}"
        c.put(ours, value)
    elif option in ("allowed-hosts", "cors-allowed-origins"):
        ours = f"server.{to_camel(option.replace('-', '_'))}"
        c.put(ours, [host.strip() for host in str(value).split(",")])
    else:
        ours = "server.options"
        c.put(ours, {option: value})
    return ours


def _flag(c: Conversion, option: str) -> str:
    """Set a bare flag; returns the argument."""
    ours, value = {
        "enable-workspaces": ("server.workspaces", {}),
        "no-serve-artifacts": ("artifacts.proxied", False),
        "serve-artifacts": ("artifacts.proxied", True),
        "artifacts-only": ("server.artifactsOnly", True),
    }.get(option, ("server.options", {option: True}))
    c.put(ours, value)
    return ours


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"-\1", name.lstrip("-")).replace("_", "-").lower()


def _startup(c: Conversion, given: Mapping[str, Any]) -> None:
    numbers = [c.get(f"probes.startup.{name}") for name in ("periodSeconds", "failureThreshold")]
    if "probes.startup.timeoutSeconds" in given:
        c.say("probes.startup.timeoutSeconds", Outcome.NOT_NEEDED, "fixed; only the whole time counts")
    if all(isinstance(each, int) for each in numbers):
        c.put("server.startupTimeoutSeconds", numbers[0] * numbers[1])


def entries(c: Conversion) -> list[tuple[str, str, Any]]:
    """The environment of the chart's values: where a variable stands, its name, and its value or where that comes from."""
    found: list[tuple[str, str, Any]] = []
    for path in ("env", "extraEnv", "extraEnvVars"):
        value = c.given.get(path)
        if isinstance(value, Mapping):
            found += [(path, str(name), each) for name, each in value.items()]
        elif isinstance(value, list):
            for each in value:
                if isinstance(each, Mapping) and isinstance(each.get("name"), str):
                    from_ = each.get("valueFrom")
                    found.append((path, each["name"], from_ if isinstance(from_, Mapping) else each.get("value")))
                else:
                    c.left(path, "an entry has no name")
    return found


def _variables(c: Conversion, given: Mapping[str, Any]) -> None:
    store, owned = _store_variables(c)
    for path, name, value in entries(c):
        key = f"{path}.{name}"
        if name in OWN_VARIABLES and c.told(key):  # the log-in has taken it
            continue
        if value is None:
            c.left(key, "has no value")
        elif why := _variable(c, key, name, value, store, owned):
            c.left(key, why)
    for path in ("envFrom", "extraSecretNamesForEnvFrom"):
        value = given.get(path)
        for each in value if isinstance(value, list) else ():
            _env_from(c, path, each)


def _store_variables(c: Conversion) -> tuple[str, Mapping[str, str]]:
    """The chosen kind of artifact store, and the fields that its variables stand for."""
    for name in c.config.get("artifacts", {}):
        kind = type_at(target(f"artifacts.{name}"))
        if hasattr(kind, "variables"):
            return f"artifacts.{name}", {"AWS_REGION": "region", **kind.variables} if name == "s3" else kind.variables
    return "", {}


def _variable(c: Conversion, path: str, name: str, value: Any, store: str, owned: Mapping[str, str]) -> str | None:
    """Carry one variable; returns why not, if not."""
    reference = value.get("secretKeyRef") if isinstance(value, Mapping) else None
    if name in _KEYS:
        if isinstance(reference, Mapping) and "name" in reference:
            c.refer("keys.existingSecret", reference["name"], "Secret", **{f"{_KEYS[name]}Key": reference.get("key")})
            c.say(path, Outcome.CARRIED, "", "keys.existingSecret")
            return None
        if isinstance(value, Mapping):
            return f"give it in keys.{_KEYS[name]}"
        c.secret(f"keys.{_KEYS[name]}", path, value)
        return None
    if name in owned:
        field = to_camel(owned[name])
        return _of_store(c, path, name, value, store, field) if field else f"{store} needs it as it is"
    if name in OWN_VARIABLES:
        return OWN_VARIABLES[name]
    if isinstance(value, Mapping):
        return _by_reference(c, path, name, value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if looks_secret(name) or re.search(r"://[^/\s]*:[^/\s]*@", text):
        c.secret(f"server.secretEnv.{name}", path, text)
    else:
        c.put("server.env", {name: text})
        c.say(path, Outcome.CARRIED, "", f"server.env.{name}")
    return None


def _of_store(c: Conversion, path: str, name: str, value: Any, store: str, field: str) -> str | None:
    reference = value.get("secretKeyRef") if isinstance(value, Mapping) else None
    if isinstance(reference, Mapping) and isinstance(reference.get("name"), str):
        known = type_at(target(f"{store}.existingSecret.{field}Key"))
        named = c.config["artifacts"].get(store.partition(".")[2], {}).get("existingSecret", {}).get("name")
        if known is None or named not in (None, reference["name"]):
            return f"give it in {store}.{field}"
        c.refer(f"{store}.existingSecret", reference["name"], "Secret", **{f"{field}Key": reference.get("key")})
        c.say(path, Outcome.CARRIED, "", f"{store}.existingSecret")
        return None
    if isinstance(value, Mapping):
        return f"give it in {store}.{field}"
    if looks_secret(name) or field in ("accessKeyId", "password", "accessKey", "connectionString", "keyFile"):
        c.secret(f"{store}.{field}", path, value)
        return None
    kind = type_at(target(f"{store}.{field}"))
    try:
        made: Any = value
        if kind is bool:
            made = str(value).lower() in ("true", "1", "yes")
        elif kind is int:
            made = int(value) // _MIB if name.endswith("_CHUNK_SIZE") else int(value)
        elif isinstance(value, str) and value.strip().startswith("{"):
            made = {str(key): str(each) for key, each in json.loads(value).items()}
        c.put(f"{store}.{field}", made)
        c.say(path, Outcome.CARRIED, "", f"{store}.{field}")
    except (ValueError, AttributeError):
        return f"its value is not one of {store}.{field}"
    return None


def _by_reference(c: Conversion, path: str, name: str, value: Mapping[str, Any]) -> str | None:
    for theirs, kind, ours in (("secretKeyRef", "Secret", "secret"), ("configMapKeyRef", "ConfigMap", "configMap")):
        if isinstance(each := value.get(theirs), Mapping) and isinstance(each.get("name"), str):
            made = {key: each[key] for key in ("name", "key", "optional") if key in each}
            c.put("server.valueFrom", {name: {ours: made}})
            if not each.get("optional"):
                c.referred += [found for found in [(kind, each["name"])] if found not in c.referred]
            c.say(path, Outcome.CARRIED, "", f"server.valueFrom.{name}")
            return None
    if isinstance(each := value.get("fieldRef"), Mapping):
        c.put("server.valueFrom", {name: {"field": each.get("fieldPath")}})
        c.say(path, Outcome.CARRIED, "", f"server.valueFrom.{name}")
        return None
    if isinstance(each := value.get("resourceFieldRef"), Mapping):
        c.put("server.valueFrom", {name: {"resource": each.get("resource")}})
        c.say(path, Outcome.CARRIED, "", f"server.valueFrom.{name}")
        return None
    return "its valueFrom is of no kind that server.valueFrom has"


def _env_from(c: Conversion, path: str, each: Any) -> None:
    if isinstance(each, str):
        made: dict[str, Any] = {"secret": each}
    elif isinstance(each, Mapping):
        made = {"prefix": each["prefix"]} if each.get("prefix") else {}
        for theirs, ours in (("secretRef", "secret"), ("configMapRef", "configMap")):
            if isinstance(each.get(theirs), Mapping):
                made[ours] = each[theirs].get("name")
                made |= {"optional": True} if each[theirs].get("optional") else {}
    else:
        c.left(path, "an entry is neither a name nor a reference")
        return
    c.config.setdefault("server", {}).setdefault("envFrom", []).append(made)
    name = made.get("secret") or made.get("configMap")
    kind = "Secret" if "secret" in made else "ConfigMap"
    if isinstance(name, str) and not made.get("optional") and (kind, name) not in c.referred:
        c.referred.append((kind, name))


def _volumes(c: Conversion, given: Mapping[str, Any]) -> None:
    ours = {
        "extraVolumes": "pod.volumes",
        "extraVolumeMounts": "pod.mounts",
        "initContainers": "pod.initContainers",
        "extraContainers": "pod.containers",
    }
    for path, value in given.items():
        if not isinstance(value, list):
            c.put(ours[path], value)
            continue
        kept = [each for each in value if not (isinstance(each, Mapping) and each.get("name") in c.consumed_volumes)]
        if "Volume" not in path:
            kept = value
        if kept:
            c.put(ours[path], kept)
        if len(kept) < len(value):
            names = ", ".join(sorted(c.consumed_volumes))
            c.say(path, Outcome.DIFFERS, f"{names}: the component's own volume here")


def _tls(c: Conversion, given: Mapping[str, Any]) -> None:
    if c.on("tls.enabled"):
        c.refer("server.tls.existingSecret", c.text("tls.secretName"))


def _external_secrets(c: Conversion, given: Mapping[str, Any]) -> None:
    if not c.on("externalSecrets.enabled"):
        return
    name = c.text("externalSecrets.secretName") or c.full_name
    version = c.text("externalSecrets.apiVersion")
    store = {
        "apiVersion": version,
        "kind": "SecretStore",
        "metadata": {"name": c.full_name},
        "spec": {"provider": c.get("externalSecrets.provider") or {}},
    }
    template = c.get("externalSecrets.template")
    made = {
        "apiVersion": version,
        "kind": "ExternalSecret",
        "metadata": {"name": c.full_name},
        "spec": {
            "refreshInterval": c.text("externalSecrets.refreshInterval"),
            "secretStoreRef": {"kind": "SecretStore", "name": c.full_name},
            "target": {"name": name, **({"template": template} if template else {})},
            "data": c.get("externalSecrets.data") or [],
        },
    }
    c.put("extraObjects", [store, made])


def _egress(c: Conversion, given: Mapping[str, Any]) -> None:
    for path in given:
        c.left(path, "give each network or pod with its ports in networkPolicy.egress")


def _migrations(c: Conversion, given: Mapping[str, Any]) -> None:
    for path in given:
        if path == "migrations.resources":
            c.put("resources.migration", given[path])
        else:
            c.left(path, "patch `Job/migration` in overrides")


def _monitor(c: Conversion, given: Mapping[str, Any]) -> None:
    if c.on("serviceMonitor.enabled"):
        c.put("monitoring.prometheus", True)
        if not c.has("monitoring.serviceMonitor"):
            c.put("monitoring.serviceMonitor", {})
    for path, value in given.items():
        if path == "serviceMonitor.tlsConfig":
            c.put("monitoring.serviceMonitor.tlsConfig", value)
        elif path == "serviceMonitor.useServicePort":
            c.say(path, Outcome.NOT_NEEDED, "both ports lead to the same pods")


def _log(c: Conversion, given: Mapping[str, Any]) -> None:
    if given.get("log.enabled") is False:
        c.put("server.env", {"MLFLOW_CONFIGURE_LOGGING": "false"})


def _always(c: Conversion, given: Mapping[str, Any]) -> None:
    for path in given:
        row = c.chart.row(path)
        assert row is not None
        c.say(path, Outcome.NOT_NEEDED, row.note, *row.ours)


def _scaling(c: Conversion, given: Mapping[str, Any]) -> None:
    whole = given.get("autoscaling")
    if isinstance(whole, Mapping):
        if whole.get("enabled") is False:
            c.say("autoscaling", Outcome.NOT_IN_USE, "autoscaling.enabled is off")
            return
        known = {"minReplicas", "maxReplicas"}
        c.put("autoscaling", {key: each for key, each in whole.items() if key in known})
        for theirs, ours in (
            ("targetCPUUtilizationPercentage", "cpuPercent"),
            ("targetMemoryUtilizationPercentage", "memoryPercent"),
        ):
            if theirs in whole:
                c.put(f"autoscaling.{ours}", whole[theirs])
        if (
            odd := set(whole)
            - known
            - {"enabled", "targetCPUUtilizationPercentage", "targetMemoryUtilizationPercentage"}
        ):
            c.left("autoscaling", f"{', '.join(map(str, sorted(odd, key=str)))}: give it in autoscaling.metrics")
        return
    if not c.on("autoscaling.enabled"):
        return
    if behavior := given.get("autoscaling.behavior"):
        c.put("autoscaling.behavior", behavior)
    metrics = c.get("autoscaling.metrics")
    percent: dict[str, Any] = {"cpuPercent": None}
    further = []
    for each in metrics if isinstance(metrics, list) else ():
        resource = each.get("resource") if isinstance(each, Mapping) else None
        goal = resource.get("target") if isinstance(resource, Mapping) else None
        used = goal.get("averageUtilization") if isinstance(goal, Mapping) else None
        name = resource.get("name") if isinstance(resource, Mapping) else None
        if name in ("cpu", "memory") and used is not None:
            percent[f"{name}Percent"] = used
        else:
            further.append(each)
    for name, each in percent.items():
        c.put(f"autoscaling.{name}", each)
    if further:
        c.put("autoscaling.metrics", further)


def _route_rules(c: Conversion, given: Mapping[str, Any]) -> None:
    for path, value in given.items():
        if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], Mapping):
            c.left(path, "one rule leads to the Service; write others as an HTTPRoute in extraObjects")
            continue
        for name in ("matches", "filters", "timeouts"):
            if name in value[0]:
                c.put(f"route.{name}", value[0][name])
        if odd := set(value[0]) - {"matches", "filters", "timeouts"}:
            c.left(path, f"{', '.join(map(str, sorted(odd, key=str)))}: the rule leads to the Service alone")


def _hosts(c: Conversion, given: Mapping[str, Any]) -> None:
    renamed = {"serviceNameOverride": "serviceName", "servicePortOverride": "servicePort"}
    for value in given.values():
        hosts = []
        for host in value if isinstance(value, list) else ():
            if isinstance(host, Mapping):
                paths = [
                    {renamed.get(str(key), key): item for key, item in each.items()}
                    if isinstance(each, Mapping)
                    else each
                    for each in host.get("paths") or ()
                ]
                hosts.append({**host, **({"paths": paths} if paths else {})})
                if not paths:
                    hosts[-1].pop("paths", None)
        for host in hosts:
            for each in host.get("paths", ()):
                if isinstance(each, dict) and isinstance(each.get("servicePort"), str):
                    each["servicePortName"] = each.pop("servicePort")
        c.put("ingress.hosts", hosts)


def remarks(c: Conversion) -> None:
    """What is not the same by default, where nothing in the values says so."""
    if not c.has("image.tag") and not c.has("image.repository"):
        c.remarks.append(
            "The image is the one of this component, not the chart's. If its MLflow is newer, the schema of the database is "
            "migrated, and only a backup leads back. `image.tag` pins the release's version until the move has succeeded."
        )
    elif not c.has("image.tag") and not c.has("image.digest"):
        c.remarks.append("image.repository is given without a tag: name the one that the release runs in image.tag.")
    workers = c.chart.default("server.value_options.workers")
    if workers and not c.has("server.workers"):
        c.remarks.append(f"A pod has one process, the chart's {workers}. Set server.workers or more replicas for more.")
    if c.has("auth.basic"):
        c.remarks.append(
            "The administrator's password becomes the one that the configuration names, or else a generated one, even if it was "
            "changed in MLflow since: name the one that is in use."
        )
    if c.chart.name == "community" and not c.get("artifactRoot.proxiedArtifactStorage"):
        c.remarks.append(
            "Clients reach artifacts through the server. Experiments that exist keep the address that the chart gave them, for "
            "which clients go on to need credentials; `artifacts.proxied: false` keeps it so for new ones too."
        )


BY: dict[str, Transformation] = {
    "always": _always,
    "egress": _egress,
    "external_secrets": _external_secrets,
    "hosts": _hosts,
    "log": _log,
    "migrations": _migrations,
    "monitor": _monitor,
    "names": _names,
    "options": _options,
    "route_rules": _route_rules,
    "scaling": _scaling,
    "startup": _startup,
    "strategy": _strategy,
    "tls": _tls,
    "variables": _variables,
    "volumes": _volumes,
}
