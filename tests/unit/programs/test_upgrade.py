"""An upgrade that is cut off at each of its steps, with a cluster and databases of this file's own."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import check_schema
import exclusive
import migrate
import pytest
import upgrade
from connecting import RefusalError
from kubernetes_api import ApiError

OLD, NEW = "mlflow:old", "mlflow:new"
HEADS = {OLD: "aaa111", NEW: "bbb222"}
RESTRICTED = {"securityContext": {"runAsNonRoot": True}}
BACKUP = {
    "initContainers": [
        {"name": "lock", "image": OLD, "restartPolicy": "Always", **RESTRICTED},
        {"name": "dump", "image": "postgres", "env": [{"name": "HOME", "value": "/tmp"}]},
        {"name": "manifest", "image": OLD, **RESTRICTED},
    ],
    "containers": [{"name": "store", "image": "restic", "volumeMounts": []}],
}
"""The pod of a backup."""


class KilledError(BaseException):
    """The process is gone."""


class World:
    """The cluster and the database, which outlive each process.

    Attributes:
        dies_at: Number of the call after which the process is gone, or before which if negative; it lives if None.
        backups: What was served when each of them began, by the names of their Jobs.
        loaded: Schemas whose migrations were imported, and what was served then.
        room: Whether pods of backups find a node.
        early: Whether the containers of backups have ended, and their Jobs do not yet count as complete.
        lock: What is held of it: nothing, or what happens to it. A backup begins once nobody holds it.
        fenced: Whether sessions of servers are ended now.
        guarded: What was done meanwhile.
    """

    def __init__(self) -> None:
        self.head = HEADS[OLD]
        self.half = False
        self.rows = 100
        self.sessions = 0
        self.calls: list[str] = []
        self.backups: dict[str, str | None] = {}
        self.room, self.early, self.lock = True, False, ""
        self.loaded: list[tuple[list[Any], str | None]] = []
        self.dies_at: int | None = None
        self.fails: str | None = None
        self.fenced = False
        self.guarded: list[str] = []
        pod = {"containers": [{"name": "mlflow", "image": OLD}, {"name": "proxy", "image": "httpd"}]}
        pod["initContainers"] = [{"name": "users", "image": OLD}]
        self.objects: dict[tuple[str, str], dict[str, Any]] = {
            ("deployments", "server"): {
                "spec": {"replicas": 3, "template": {"spec": pod}},
                "metadata": {"generation": 1},
            },
            ("configmaps", "record"): {},
            ("cronjobs", "gc"): {"spec": {"suspend": False}},
            ("cronjobs", "backup"): {
                "metadata": {"uid": "1"},
                "spec": {
                    "suspend": True,
                    "jobTemplate": {"spec": {"template": {"spec": copy.deepcopy(BACKUP)}}},
                },
            },
        }

    @property
    def deployment(self) -> dict[str, Any]:
        return self.objects["deployments", "server"]

    @property
    def image(self) -> str:
        return self.deployment["spec"]["template"]["spec"]["containers"][0]["image"]

    @property
    def serving(self) -> str | None:
        """The image that servers run, if any do."""
        return self.image if self.deployment["spec"]["replicas"] else None

    def changes(self, what: str, change: Any) -> None:
        """Do something that lasts, in the middle of which the process may end."""
        if what == self.fails:
            raise RefusalError(f"{what} does not work")
        self.calls.append(what)
        if self.fenced:
            assert self.serving is None
            self.guarded.append(what)
        if self.dies_at is not None and len(self.calls) == -self.dies_at:
            raise KilledError
        change()
        # Whatever happens, no server runs on a schema that is not its own.
        assert self.serving is None or (HEADS[self.serving] == self.head and not self.half), self.calls
        if len(self.calls) == self.dies_at:
            raise KilledError

    # -- what the programs ask of a cluster

    def get(self, kind: str, name: str) -> Any:
        if kind == "jobs":
            done: dict[str, Any] = {"startTime": "2026-03-14T09:26:53Z"}
            if not self.early:
                done |= {
                    "conditions": [{"type": "Complete", "status": "True"}],
                    "completionTime": "2126-03-14T09:27:00Z",
                }
            return {"status": done} if (kind, name) in self.objects else None
        found = copy.deepcopy(self.objects.get((kind, name)))
        if found is not None and kind == "deployments":
            found["status"] = {"observedGeneration": 1, "availableReplicas": found["spec"]["replicas"]}
        return found

    def list(self, kind: str, labels: Mapping[str, str]) -> list[Any]:
        if "job-name" in labels:
            status: dict[str, Any] = {"initContainerStatuses": [{"name": "lock", "state": {"running": {}}}]}
            if self.early and labels["job-name"] in self.backups:
                ended = {"exitCode": 0, "finishedAt": "2126-03-14T09:26:58Z"}
                status["containerStatuses"] = [{"name": "store", "state": {"terminated": ended}}]
            return [{"metadata": {"name": "pod"}, "spec": {"nodeName": "node"}, "status": status}] if self.room else []
        servers = labels.get("app.kubernetes.io/component") == "server" and self.serving
        return [{"metadata": {"name": "pod"}}] if servers else []

    def log(self, pod: str, container: str) -> str:
        return "snapshot 1234abcd saved\n"

    def create(self, kind: str, body: Any) -> None:
        def made() -> None:
            self.objects.setdefault((kind, body["metadata"]["name"]), body)
            self.begin()

        self.changes(f"create {kind}", made)

    def begin(self) -> None:
        """What waits for the lock."""
        if not self.lock:
            for kind, name in self.objects:
                if kind == "jobs":
                    self.backups.setdefault(name, self.serving)

    @contextlib.contextmanager
    def held(self, uri: str, purpose: str, *_: object) -> Iterator[Callable[[], None]]:
        assert (uri, purpose) == ("postgresql://database", "housekeeping")

        def check() -> None:
            if self.lock == "lost":
                raise OSError("server closed the connection")

        self.lock = self.lock or "held"
        try:
            yield check
        finally:
            self.lock = ""
            self.begin()

    def patch(self, kind: str, name: str, body: Any, *, by_name: bool = False, try_out: bool = False) -> None:
        if try_out:
            if f"{kind}/{name}" == self.fails:
                raise ApiError(403, f"may not patch {kind}")
            return
        told = {"configmaps": lambda: json.loads(body["data"]["current"] or "{}").get("step", "finished")}
        step = told.get(kind, lambda: json.dumps(body))()
        self.changes(f"{kind}: {step}", lambda: _merge(self.objects[kind, name], body))

    def let_go(self, kind: str, name: str) -> None:
        pass

    # -- and of databases

    def found(self, *_: object) -> tuple[str, set[str]]:
        return self.head, {"runs"}

    def due(self, *_: object) -> str:
        return "nothing" if self.head == HEADS[NEW] else "migrate"

    def perform(self) -> None:
        if self.head == HEADS[NEW]:
            return
        assert self.serving is None
        if self.half:
            raise migrate.HalfwayError("table exists")
        self.changes("migrate", lambda: setattr(self, "head", HEADS[NEW]))

    def fingerprint(self, *_: object) -> list[str]:
        return [self.head, "half"] if self.half else [self.head]

    @property
    def record(self) -> dict[str, Any]:
        return json.loads(self.objects["configmaps", "record"].get("data", {}).get("current") or "{}")

    @property
    def history(self) -> list[dict[str, Any]]:
        return json.loads(self.objects["configmaps", "record"]["data"]["history"])


def _merge(into: Any, change: Any) -> None:
    for key, value in change.items():
        if isinstance(value, list):
            for item in value:
                next(each for each in into[key] if each["name"] == item["name"]).update(item)
        elif isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        elif value is None:
            into.pop(key, None)
        else:
            into[key] = value


class Engine:
    """Stands for an engine of SQLAlchemy."""

    class dialect:  # noqa: N801
        name = "postgresql"


class Guard:
    """Stands for what keeps servers out of databases."""

    deadline: float | None = None

    def __init__(self, world: World, engines: list[Any]) -> None:
        self._world, self._engines = world, engines

    def __enter__(self) -> Guard:
        self._world.fenced = bool(self._engines)
        return self

    def __exit__(self, *_: object) -> None:
        self._world.fenced = False


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World()
    for name, value in {
        "DEPLOYMENT": "server",
        "RECORD": "record",
        "INSTANCE": "mlflow",
        "IMAGE": NEW,
        "SCHEDULES": {"garbage-collection": "gc", "backup": "backup", "backup-drill": "absent"},
        "BACKUP": "backup",
        "STOP_SECONDS": 0,
        "PREPARE_SECONDS": 0,
        "perform": made.perform,
        "read_every_table": lambda _: made.guarded.append("smoke" if made.fenced else "smoke without a guard"),
    }.items():
        monkeypatch.setattr(upgrade, name, value)
    monkeypatch.setattr(upgrade, "Guard", lambda engines: Guard(made, engines))
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "postgresql://database")
    monkeypatch.setattr(exclusive, "held", made.held)
    monkeypatch.setattr(migrate, "load", lambda schemas: made.loaded.append((list(schemas), made.serving)))
    monkeypatch.setattr(migrate, "due", made.due)
    monkeypatch.setattr(migrate, "found", made.found)
    monkeypatch.setattr(migrate, "known_revisions", lambda _=None: ({*HEADS.values()}, HEADS[NEW]))
    monkeypatch.setattr(migrate, "connected_servers", lambda _: made.sessions)
    monkeypatch.setattr(migrate, "wait_until_it_answers", lambda _: None)
    monkeypatch.setattr(check_schema, "problems", lambda *_: [])
    monkeypatch.setattr(check_schema, "rows", lambda _: {"runs": made.rows})
    monkeypatch.setattr(check_schema, "fingerprint", made.fingerprint)
    yield made


def run(world: World) -> None:
    """One process."""
    world.calls = []
    upgrade.Upgrade(world, [(Engine, [migrate.MLFLOW])]).run()  # type: ignore[arg-type]


def upgraded(world: World) -> None:
    """Everything is as after an upgrade that nothing disturbed."""
    assert (world.serving, world.head) == (NEW, HEADS[NEW])
    assert world.deployment["spec"]["replicas"] == 3
    pod = world.deployment["spec"]["template"]["spec"]
    assert [each["image"] for each in (*pod["containers"], *pod["initContainers"])] == [NEW, "httpd", NEW]
    assert world.objects["cronjobs", "gc"]["spec"]["suspend"] is False
    assert world.objects["cronjobs", "backup"]["spec"]["suspend"] is True
    assert world.record == {}
    last = world.history[-1]
    assert last["result"] == "upgraded" and last["from"]["image"] == OLD and last["to"]["image"] == NEW
    assert last["from"]["heads"] == {"mlflow": HEADS[OLD]} and last["snapshot"] == "1234abcd"
    # It was taken while nobody could write.
    assert world.backups[last["backupJob"]] is None


STEPS = [
    "configmaps: closing",
    'cronjobs: {"spec": {"suspend": true}}',
    'cronjobs: {"spec": {"suspend": true}}',
    "create jobs",
    "configmaps: closing",
    'deployments: {"spec": {"replicas": 0}}',
    "configmaps: closed",
    "configmaps: saved",
    "configmaps: migrating",
    "migrate",
    "configmaps: migrated",
    "configmaps: opening",
    "deployments: open",
    'cronjobs: {"spec": {"suspend": false}}',
    'cronjobs: {"spec": {"suspend": true}}',
    "configmaps: finished",
]


def test_an_upgrade_saves_what_nobody_can_change_any_more(world: World) -> None:
    run(world)
    upgraded(world)
    opened = [
        call if not call.startswith('deployments: {"spec": {"replicas": 3') else "deployments: open"
        for call in world.calls
    ]
    assert opened == STEPS
    assert len(world.backups) == 1
    assert world.loaded == [([migrate.MLFLOW], OLD)], "nobody waits for imports"
    run(world)
    assert world.calls == [], "nothing is left to do"


def test_the_backup_of_an_upgrade_has_all_images_before_it_waits(world: World) -> None:
    run(world)
    (job,) = [each for (kind, _), each in world.objects.items() if kind == "jobs"]
    pod = job["spec"]["template"]["spec"]
    tag = {"name": "BACKUP_TAG", "value": "before-upgrade"}
    assert pod["initContainers"][:3] == [
        {"name": "image-0", "image": OLD, "command": ["true"], **RESTRICTED},
        {"name": "image-1", "image": "postgres", "command": ["true"]},
        {"name": "image-2", "image": "restic", "command": ["true"]},
    ]
    rest = [*pod["initContainers"][3:], *pod["containers"]]
    expected = [*BACKUP["initContainers"], *BACKUP["containers"]]
    assert rest == [{**each, "env": [*each.get("env", ()), tag]} for each in expected]


def test_nobody_waits_until_the_job_of_a_backup_counts_as_complete(world: World) -> None:
    world.early = True
    run(world)
    upgraded(world)


@pytest.mark.parametrize("number", [*range(1, len(STEPS) + 1), *range(-len(STEPS), 0)])
def test_whoever_comes_next_finishes_what_was_cut_off(world: World, number: int) -> None:
    world.dies_at = number
    with pytest.raises(KilledError):
        run(world)
    world.dies_at = None
    run(world)
    upgraded(world)


@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_servers_are_kept_out_from_when_they_have_ended_until_the_new_ones_start(
    world: World, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine.dialect, "name", dialect)
    run(world)
    first, last = STEPS.index("configmaps: saved"), STEPS.index("configmaps: migrated")
    # On MySQL, the session that takes the backup is as a server's.
    begun = {"postgresql": first, "mysql": STEPS.index("configmaps: migrating")}[dialect]
    assert world.guarded == [*STEPS[begun : last + 1], "smoke"]


@pytest.mark.parametrize("late", [False, True])
def test_a_backup_that_may_have_begun_before_the_servers_stopped_is_taken_again(world: World, late: bool) -> None:
    """The lock for which it waits is lost with the connection, or with the process."""
    if late:
        world.dies_at = STEPS.index("create jobs") + 1
        with pytest.raises(KilledError):
            run(world)
        world.dies_at = None
    else:
        changed = world.changes

        def losing(what: str, change: Any) -> None:
            changed(what, change)
            if what == "create jobs" and world.lock:
                world.lock = ""
                world.begin()
                world.lock = "lost"

        world.changes = losing  # type: ignore[method-assign]
    run(world)
    upgraded(world)
    assert sorted(filter(None, world.backups.values())) == [OLD] and len(world.backups) == 2


def test_servers_go_on_while_a_backup_cannot_start_unless_they_take_its_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade, "_waits", lambda _: False)
    with pytest.raises(RefusalError, match="the backup's pod has a node and does not start"):
        run(world)
    assert world.serving == OLD and 'deployments: {"spec": {"replicas": 0}}' not in world.calls
    world.room = False
    run(world)
    assert world.serving == NEW and world.history[-1]["backupJob"] in world.backups


def test_a_job_that_works_on_the_database_is_waited_for_before_anything_stops(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    @contextlib.contextmanager
    def held(*_: object) -> Iterator[None]:
        assert world.serving == OLD
        raise exclusive.HeldError("another job has worked on this database")
        yield

    monkeypatch.setattr(exclusive, "held", held)
    with pytest.raises(RefusalError, match="the upgrade failed: another job has worked on this database"):
        run(world)
    assert world.serving == OLD and 'deployments: {"spec": {"replicas": 0}}' not in world.calls
    assert "Traceback" not in capsys.readouterr().err


def test_servers_that_the_upgrade_before_has_started_are_let_in(world: World) -> None:
    world.dies_at = STEPS.index("deployments: open") + 1
    with pytest.raises(KilledError):
        run(world)
    world.dies_at, world.guarded = None, []
    run(world)
    upgraded(world)
    assert world.guarded == []


def test_what_users_delete_once_servers_have_started_is_no_loss(world: World) -> None:
    world.dies_at = STEPS.index("deployments: open") + 1
    with pytest.raises(KilledError):
        run(world)
    assert world.serving == NEW and world.record["step"] == "opening"
    world.dies_at, world.rows = None, 90
    run(world)
    upgraded(world)


def test_the_copy_of_an_upgrade_that_has_not_ended_is_not_dropped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = "mlflow_before_1"
    record = {"step": "returning", "startedAt": "2026-03-14T09:26:53Z", "kept": kept}
    data = {"current": json.dumps(record), "kept": json.dumps({kept: "as MLflow left it"})}
    world.objects["configmaps", "record"] = {"data": data}
    monkeypatch.setattr(upgrade, "CHOSEN", kept)
    with pytest.raises(RefusalError, match=f"has not ended and may need {kept}: run `pulumi up`"):
        upgrade.Upgrade(world, [(Engine, [migrate.MLFLOW])]).drop()  # type: ignore[arg-type]


@pytest.mark.parametrize("first", range(1, len(STEPS), 3))
@pytest.mark.parametrize("second", range(1, 9, 2))
def test_twice_too(world: World, first: int, second: int) -> None:
    for number in (first, second):
        world.dies_at = number
        with contextlib.suppress(KilledError):
            run(world)
    world.dies_at = None
    run(world)
    upgraded(world)


@pytest.mark.parametrize("step", ["create jobs", "migrate"])
def test_a_failure_before_anything_changed_starts_the_old_version(world: World, step: str) -> None:
    world.fails = step
    with pytest.raises(RefusalError, match=f"the upgrade failed: {step} does not work"):
        run(world)
    assert (world.serving, world.head) == (OLD, HEADS[OLD])
    assert world.objects["cronjobs", "gc"]["spec"]["suspend"] is False
    assert world.record == {} and world.history[-1]["result"] == "failed"
    world.fails = None
    run(world)
    upgraded(world)


def test_a_half_done_migration_keeps_the_servers_stopped_and_names_the_backup(world: World, capsys: Any) -> None:
    def half() -> None:
        world.half = True
        raise migrate.HalfwayError("table exists")

    world.perform = half  # type: ignore[method-assign]
    upgrade.perform = half  # type: ignore[attr-defined]
    with pytest.raises(RefusalError):
        run(world)
    assert world.serving is None
    assert "the servers stay stopped. Restore it (snapshot 1234abcd)" in capsys.readouterr().out
    with pytest.raises(RefusalError, match="the migration was cut off"):
        run(world)
    assert world.serving is None
    # Restored, and `pulumi up` again.
    world.half = False
    upgrade.perform = lambda: World.perform(world)  # type: ignore[attr-defined]
    run(world)
    upgraded(world)


def test_rows_that_are_gone_keep_the_servers_stopped(world: World) -> None:
    migrated = world.perform

    def lossy() -> None:
        migrated()
        world.rows = 99

    upgrade.perform = lossy  # type: ignore[attr-defined]
    with pytest.raises(RefusalError, match="0/runs has 99 rows of 100"):
        run(world)
    assert world.serving is None and world.record["step"] == "migrated"


def test_another_image_with_the_same_schema_is_recorded_once_it_is_about_to_roll(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HEADS, OLD, HEADS[NEW])
    world.head = HEADS[NEW]
    run(world)
    (recorded,) = world.history
    assert recorded["result"] == "upgraded" and recorded["from"] == {"image": OLD, "heads": {"mlflow": HEADS[NEW]}}
    assert recorded["to"] == {"image": NEW, "heads": recorded["from"]["heads"]} and recorded["freezeSeconds"] == 0
    assert world.record == {} and world.calls == ["configmaps: finished"]
    # The next Job, such as one for another password, finds the image that runs.
    world.deployment["spec"]["template"]["spec"]["containers"][0]["image"] = NEW
    run(world)
    assert len(world.history) == 1


def test_going_back_to_the_old_image_starts_it_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.dies_at = 7
    with pytest.raises(KilledError):
        run(world)
    world.dies_at = None
    monkeypatch.setattr(migrate, "due", lambda *_: "nothing")
    monkeypatch.setattr(upgrade, "IMAGE", OLD)
    monkeypatch.setattr(upgrade, "perform", lambda: None)
    run(world)
    assert world.serving == OLD and world.record == {}
    assert world.history[-1]["result"] == "taken back"


def test_missing_rights_and_foreign_servers_stop_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.fails = "deployments/server"
    with pytest.raises(RefusalError, match=r"nothing was stopped.*may not patch deployments"):
        run(world)
    world.fails = None
    del world.objects["deployments", "server"]
    monkeypatch.setattr(world, "list", lambda *_: [])
    world.sessions = 2
    with pytest.raises(RefusalError, match=r"nothing was stopped.*2 connection\(s\) of MLflow servers of another"):
        run(world)
    assert world.calls == []


@pytest.mark.parametrize(
    ("image", "refused"), [("m:5000/mlflow:v3.9.0-full", True), ("mlflow:v3.10.0", False), (OLD, False)]
)
def test_a_version_that_does_not_end_in_time_is_told_before_it_is_asked_to(
    world: World, monkeypatch: pytest.MonkeyPatch, image: str, refused: bool
) -> None:
    pod = world.deployment["spec"]["template"]["spec"]
    pod["terminationGracePeriodSeconds"], pod["containers"][0]["image"] = 310, image
    monkeypatch.setitem(HEADS, image, HEADS[OLD])
    if refused:
        with pytest.raises(RefusalError, match=r"nothing was stopped.*would take 310 seconds.*shutdownGraceSeconds"):
            run(world)
        assert world.serving == image and world.calls == []
        pod["terminationGracePeriodSeconds"] = 0
    run(world)
    assert world.serving == NEW


def test_servers_that_do_not_end_are_left_serving(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "list", lambda *_: [{"metadata": {"name": "stuck"}}])
    monkeypatch.setattr(upgrade, "SCHEDULES", {})
    monkeypatch.setattr(upgrade, "BACKUP", "")
    with pytest.raises(RefusalError, match="the servers did not come to an end within 0 seconds: stuck"):
        run(world)
    assert world.serving == OLD
