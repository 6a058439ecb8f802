"""Google Cloud on this machine: a recording stand-in for the calls that a deployment makes, in front of real stores.

The control plane is played: instances of Cloud SQL, their databases and users, buckets with their policies, service accounts.
What it makes is real: a database is one of a PostgreSQL or MariaDB server, and a bucket one of fake-gcs-server.
"""

import contextlib
import json
import re
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support import threads
from tests.support.managed import Managed

PROJECT, REGION = "project-of-tests", "europe-west3"


@dataclass
class Cloud:
    """The stand-in's memory.

    Attributes:
        servers: Database servers by their product (`POSTGRES`, `MYSQL`), each with the private address that its instances
            are given: a Service of the cluster that leads to the server.
        objects: URL of fake-gcs-server.
        calls: Every call that changes something: method and path.
    """

    servers: Mapping[str, tuple[str, Managed]]
    objects: str
    port: int = 0
    calls: list[tuple[str, str]] = field(default_factory=list)
    instances: dict[str, dict[str, Any]] = field(default_factory=dict)
    databases: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    buckets: dict[str, dict[str, Any]] = field(default_factory=dict)
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def configuration(self) -> dict[str, str]:
        """Configuration of the provider in a stack file."""
        url = f"http://127.0.0.1:{self.port}"
        return {
            "gcp:accessToken": "of-nobody",
            "gcp:sqlCustomEndpoint": f"{url}/sql/v1beta4/",
            "gcp:storageCustomEndpoint": f"{url}/storage/v1/",
            "gcp:iamCustomEndpoint": f"{url}/",
            "gcp:iamBetaCustomEndpoint": f"{url}/v1/",
            "gcp:resourceManagerCustomEndpoint": f"{url}/v1/",
            "gcp:cloudResourceManagerCustomEndpoint": f"{url}/v1/",
            "gcp:serviceNetworkingCustomEndpoint": f"{url}/v1/",
        }

    @property
    def pods(self) -> dict[str, str]:
        """Variables of pods: where the client library finds the objects, without credentials."""
        return {"STORAGE_EMULATOR_HOST": self.objects}

    def bindings(self) -> list[tuple[str, str, str]]:
        """All that anybody is allowed: on what, which role, who."""
        return sorted(
            (where, binding["role"], member)
            for where, policy in self.policies.items()
            for binding in policy.get("bindings", [])
            for member in binding["members"]
        )

    def empty(self, bucket: str) -> None:
        """Delete all objects, as an owner does before deleting a bucket."""
        for item in self._objects("GET", f"/{bucket}/o").get("items", []):
            self._objects("DELETE", f"/{bucket}/o/{urllib.request.quote(item['name'], safe='')}")  # type: ignore[attr-defined]

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any]) -> tuple[int, Any]:
        """What the cloud answers."""
        if method != "GET" and not path.endswith(":getIamPolicy"):
            self.calls.append((method, path))
        for pattern, play in self._routes():
            if match := re.fullmatch(pattern, path):
                return play(method, match, query, body)
        return _error(501, f"not played: {method} {path}")

    def _routes(self) -> list[tuple[str, Callable[..., tuple[int, Any]]]]:
        instances = r"/sql/v1beta4/projects/([^/]+)/instances"
        return [
            (r"/sql/v1beta4/projects/([^/]+)/operations/(.+)", self._operation),
            (rf"{instances}(?:/([^/]+))?", self._instance),
            (rf"{instances}/([^/]+)/(clone|restoreBackup)", self._restore),
            (rf"{instances}/([^/]+)/databases(?:/([^/]+))?", self._database),
            (rf"{instances}/([^/]+)/users(?:/([^/]+))?", self._user),
            (r"/storage/v1/b(?:/([^/]+))?", self._bucket),
            (r"/storage/v1/b/([^/]+)/iam", self._bucket_policy),
            (r"/storage/v1/b/([^/]+)/anywhereCaches", lambda *_: (200, {"items": []})),
            (r"/storage/v1/b/([^/]+)/o", lambda _, match, *rest: (200, self._objects("GET", f"/{match[1]}/o"))),
            (r"/v1/projects/([^/]+)", self._project),
            (r"/v1/services/servicenetworking.googleapis.com/connections", self._connections),
            (r"/v1/projects/([^/]+)/serviceAccounts(?:/([^/:]+))?", self._account),
            (r"/v1/projects/([^/]+)/serviceAccounts/([^/:]+):(get|set)IamPolicy", self._account_policy),
        ]

    def _project(self, _: str, match: re.Match[str], *rest: Any) -> tuple[int, Any]:
        return 200, {"projectId": match[1], "projectNumber": "123456789012", "lifecycleState": "ACTIVE"}

    def _connections(self, _: str, match: re.Match[str], query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        """Private services access, which the provider looks for before it makes an instance."""
        (network,) = query["network"]
        return 200, {"connections": [{"network": network, "peering": "servicenetworking-googleapis-com"}]}

    def _operation(self, method: str, match: re.Match[str], *_: Any) -> tuple[int, Any]:
        return 200, _done(match[1], match[2])

    def _instance(self, method: str, match: re.Match[str], _: Any, body: dict[str, Any]) -> tuple[int, Any]:
        project, name = match[1], match[2] or body.get("name", "")
        found = self.instances.get(name)
        if method == "POST":
            if found:
                return _error(409, "instanceAlreadyExists")
            self.instances[name] = {**body, **self._computed(project, name, body)}
            self.instances[name]["settings"]["settingsVersion"] = "1"
            return 200, _done(project, f"create-{name}")
        if found is None:
            return _error(404, f"the instance {name} does not exist")
        if method == "GET":
            return 200, found
        if method == "DELETE":
            if found["settings"].get("deletionProtectionEnabled"):
                return _error(400, "The instance is protected. Please disable the deletion protection and try again.")
            self.server(name).drop(self._of(self.users, name), self._of(self.databases, name))
            for table in (self.users, self.databases):
                for key in [key for key in table if key.startswith(f"{name}/")]:
                    del table[key]
            del self.instances[name]
            return 200, _done(project, f"delete-{name}")
        # PUT says everything, PATCH what changes.
        kept = found["settings"] if method == "PATCH" else {}
        version = str(int(found["settings"]["settingsVersion"]) + 1)
        settings = {**kept, **body.get("settings", {}), "settingsVersion": version}
        found.update({**body, "settings": settings})
        return 200, _done(project, f"update-{name}")

    def _restore(self, _: str, match: re.Match[str], query: Any, body: dict[str, Any]) -> tuple[int, Any]:
        """A clone is a new instance with the settings, databases and users of another one. A backup is loaded over those of an instance."""
        project, name = match[1], match[2]
        if match[3] == "clone":
            source, target = name, body["cloneContext"]["destinationInstanceName"]
            if source not in self.instances:
                return _error(404, f"the instance {source} does not exist")
            made = json.loads(json.dumps(self.instances[source]))
            self.instances[target] = {**made, "name": target, **self._computed(project, target, made)}
        else:
            source, target = body["restoreBackupContext"]["instanceId"], name
        for table in (self.databases, self.users):
            for key, each in list(table.items()):
                if key.startswith(f"{source}/"):
                    table[f"{target}/{each['name']}"] = {**each, "instance": target}
        return 200, _done(project, f"{match[3]}-{target}")

    def server(self, instance: str) -> Managed:
        """The real server behind an instance."""
        return self.servers[self.instances[instance]["databaseVersion"].split("_")[0]][1]

    def _of(self, table: dict[str, dict[str, Any]], instance: str) -> list[str]:
        return [each["name"] for key, each in table.items() if key.startswith(f"{instance}/")]

    def _computed(self, project: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        address, server = self.servers[body["databaseVersion"].split("_")[0]]
        return {
            "kind": "sql#instance",
            "state": "RUNNABLE",
            "instanceType": "CLOUD_SQL_INSTANCE",
            "project": project,
            "selfLink": f"https://sqladmin.googleapis.com/sql/v1beta4/projects/{project}/instances/{name}",
            "connectionName": f"{project}:{body.get('region')}:{name}",
            "serviceAccountEmailAddress": f"p1-{name}@gcp-sa-cloud-sql.iam.gserviceaccount.com",
            "ipAddresses": [{"type": "PRIVATE", "ipAddress": address}],
            "serverCaCert": {
                "kind": "sql#sslCert",
                "cert": server.ca_certificate,
                "commonName": f"C=US,O=Google\\, Inc,CN=Google Cloud SQL Server CA,dnQualifier={name}",
                "sha1Fingerprint": "0" * 40,
                "createTime": "2026-01-01T00:00:00.000Z",
                "expirationTime": "2036-01-01T00:00:00.000Z",
            },
        }

    def _database(self, method: str, match: re.Match[str], _: Any, body: dict[str, Any]) -> tuple[int, Any]:
        project, instance, name = match[1], match[2], match[3] or body.get("name", "")
        key = f"{instance}/{name}"
        if method == "POST":
            if key in self.databases:
                return _error(400, f"Invalid request: database {name} already exists.")
            self.server(instance).database(name)
            here = {"charset": "UTF8", "collation": "en_US.UTF8", "project": project, "instance": instance}
            self.databases[key] = {"kind": "sql#database", **here, **body}
            self._let_in(instance)
            return 200, _done(project, f"database-{name}")
        if key not in self.databases:
            return _error(404, f"the database {name} does not exist")
        if method == "DELETE":
            del self.databases[key]
            return 200, _done(project, f"delete-{name}")
        return 200, self.databases[key]

    def _user(
        self, method: str, match: re.Match[str], query: dict[str, list[str]], body: dict[str, Any]
    ) -> tuple[int, Any]:
        project, instance = match[1], match[2]
        name = body.get("name") or match[3] or query.get("name", [""])[0]
        if method in ("POST", "PUT"):
            self.server(instance).user(name, body["password"])
            self.users[f"{instance}/{name}"] = {
                "kind": "sql#user",
                "name": name,
                "instance": instance,
                "project": project,
                "host": "",
            }
            self._let_in(instance)
            return 200, _done(project, f"user-{name}")
        if method == "DELETE":
            self.users.pop(f"{instance}/{name}", None)
            return 200, _done(project, f"delete-{name}")
        if match[3]:
            found = self.users.get(f"{instance}/{match[3]}")
            return (200, found) if found else _error(404, f"the user {name} does not exist")
        listed = [user for key, user in self.users.items() if key.startswith(f"{instance}/")]
        return 200, {"kind": "sql#usersList", "items": listed}

    def _let_in(self, instance: str) -> None:
        """Users that the API makes may do everything in the instance's databases."""
        for user in self._of(self.users, instance):
            for name in self._of(self.databases, instance):
                self.server(instance).allow(user, name)

    def _bucket(self, method: str, match: re.Match[str], _: Any, body: dict[str, Any]) -> tuple[int, Any]:
        name = match[1] or body.get("name", "")
        found = self.buckets.get(name)
        if method == "POST":
            if found:
                return _error(409, "Your previous request to create the named bucket succeeded and you already own it.")
            self._objects("POST", "", {"name": name})
            made = {"kind": "storage#bucket", "id": name, "projectNumber": "123456789012", "metageneration": "1"}
            times = {"timeCreated": "2026-01-01T00:00:00.000Z", "updated": "2026-01-01T00:00:00.000Z"}
            link = f"https://www.googleapis.com/storage/v1/b/{name}"
            self.buckets[name] = {**made, **times, "selfLink": link, **body, "location": body["location"].upper()}
            return 200, self.buckets[name]
        if found is None:
            return _error(404, "The specified bucket does not exist.")
        if method == "DELETE":
            if self._objects("GET", f"/{name}/o").get("items"):
                return _error(409, "The bucket you tried to delete is not empty.")
            self._objects("DELETE", f"/{name}")
            del self.buckets[name]
            return 204, None
        if method in ("PATCH", "PUT"):
            found.update(body)
        return 200, found

    def _bucket_policy(self, method: str, match: re.Match[str], _: Any, body: dict[str, Any]) -> tuple[int, Any]:
        return 200, self._policy(f"bucket {match[1]}", body if method == "PUT" else None)

    def _account(self, method: str, match: re.Match[str], _: Any, body: dict[str, Any]) -> tuple[int, Any]:
        project = match[1]
        if method == "POST":
            email = f"{body['accountId']}@{project}.iam.gserviceaccount.com"
            name = f"projects/{project}/serviceAccounts/{email}"
            self.accounts[email] = {
                "name": name,
                "projectId": project,
                "uniqueId": "100000000000000000001",
                "email": email,
                "etag": "MDEwMjE5MjA=",
                **body.get("serviceAccount", {}),
            }
            return 200, self.accounts[email]
        email = match[2]
        if email not in self.accounts:
            return _error(404, f"Service account {email} does not exist.")
        if method == "DELETE":
            self.policies.pop(f"account {email}", None)
            del self.accounts[email]
            return 200, {}
        if method == "PATCH":
            self.accounts[email].update(body.get("serviceAccount", {}))
        return 200, self.accounts[email]

    def _account_policy(self, method: str, match: re.Match[str], _: Any, body: dict[str, Any]) -> tuple[int, Any]:
        return 200, self._policy(f"account {match[2]}", body["policy"] if match[3] == "set" else None)

    def _policy(self, where: str, new: dict[str, Any] | None) -> dict[str, Any]:
        if new is not None:
            self.policies[where] = new
        return {"etag": "CAE=", "version": 1, **self.policies.get(where, {})}

    def _objects(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask fake-gcs-server, which keeps the objects."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(
            f"{self.objects}/storage/v1/b{path}", data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or b"{}")


def _done(project: str, name: str) -> dict[str, Any]:
    """An operation that has ended."""
    return {
        "kind": "sql#operation",
        "name": name,
        "status": "DONE",
        "operationType": "UPDATE",
        "targetProject": project,
        "insertTime": "2026-01-01T00:00:00.000Z",
        "endTime": "2026-01-01T00:00:00.000Z",
    }


def _error(code: int, message: str) -> tuple[int, Any]:
    reason = {404: "notFound", 409: "conflict"}.get(code, "invalid")
    return code, {"error": {"code": code, "message": message, "errors": [{"message": message, "reason": reason}]}}


@contextlib.contextmanager
def serve(cloud: Cloud) -> Iterator[Cloud]:
    """Answer on a port of this machine until the body ends."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _play(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            url = urlsplit(self.path)
            with lock:
                code, answer = cloud.answer(self.command, url.path, parse_qs(url.query), body)
            content = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _play  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with threads.serving(server) as cloud.port:
        yield cloud
