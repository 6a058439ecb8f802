"""Who is connected to a database while the version of its schema changes: sessions of servers, by the pods that they come from."""

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.support import mariadb, older, postgresql
from tests.support.kubernetes import Kubectl

Server = postgresql.Server | mariadb.Server
_POD = "IP:.status.podIP,COMPONENT:.metadata.labels.app\\.kubernetes\\.io/component,IMAGE:.spec.containers[0].image"


class Watch:
    """Looks from which addresses there are sessions with which version of the schema, and what pods have these addresses.

    Between pods and a database on this machine no address is translated where the cluster is the built-in one.

    Attributes:
        seen: Address of each session with the version that the database had.
        pods: Components and tags of images of the pods that had an address.
    """

    def __init__(self, kubectl: Kubectl, namespace: str, server: Server, database: older.Database) -> None:
        self.seen: set[tuple[str, str]] = set()
        self.pods: dict[str, set[tuple[str, str]]] = {}
        self._ours = kubectl.host_address
        self._look = _look(server, database)
        self._ended = threading.Event()
        command = [
            "get",
            "pods",
            "--namespace",
            namespace,
            "--watch",
            "--no-headers",
            "--output",
            f"custom-columns={_POD}",
        ]
        self._command = kubectl.command(*command)

    @contextlib.contextmanager
    def on(self) -> Iterator["Watch"]:
        """Look until the body ends."""
        with subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True) as pods, ThreadPoolExecutor(2) as pool:
            looking = [pool.submit(self._sessions), pool.submit(self._addresses, pods)]
            try:
                yield self
            finally:
                self._ended.set()
                pods.terminate()
            for each in looking:
                each.result()

    def servers(self) -> set[tuple[str, str]]:
        """Tags of servers' images, each with a version of the schema on which such a server had a session.

        Raises:
            AssertionError: A session came from an address that no pod, or more than one kind of pod, has had.
        """
        seen = {each for each in self.seen if each[0] != self._ours}
        unclear = {address: self.pods.get(address) for address, _ in seen if len(self.pods.get(address, ())) != 1}
        assert unclear == {}, f"sessions that cannot be told apart: {unclear}"
        found = {(pod, head) for address, head in seen for pod in self.pods[address]}
        return {(tag, head) for (component, tag), head in found if component == "server"}

    def _sessions(self) -> None:
        while not self._ended.wait(0.2):
            self.seen.update(self._look())

    def _addresses(self, pods: "subprocess.Popen[str]") -> None:
        assert pods.stdout is not None
        for line in pods.stdout:
            address, component, image = line.split()
            if address != "<none>":
                self.pods.setdefault(address, set()).add((component, image.rpartition(":")[2]))


def _look(server: Server, database: older.Database) -> Callable[[], list[tuple[str, str]]]:
    """What asks the server, in a session that no upgrade takes for a server's."""
    if isinstance(server, postgresql.Server):
        query = """SELECT host(client_addr), (SELECT version_num FROM alembic_version) FROM pg_stat_activity
            WHERE datname = current_database() AND client_addr IS NOT NULL"""
        return lambda: server.query(database.name, query)
    query = f"""SELECT SUBSTRING_INDEX(host, ':', 1), (SELECT version_num FROM {database.name}.alembic_version)
        FROM information_schema.processlist WHERE db = '{database.name}'"""
    return lambda: server.execute(query)
