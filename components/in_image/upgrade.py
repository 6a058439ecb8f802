"""Migrate the databases, and, where the arguments let it, stop the servers before and start them after.

Runs inside the MLflow image as the migration Job. What it has done so far is in a ConfigMap, so that the next one goes on
where this one was cut off: servers that it has stopped are started by it or by its successor. Until the migration has changed
the database, every failure ends with the old version serving again; after that, only the new version may. Where a copy of the database
is kept, the old version can serve again after that too: the copy gets the database's name.
One file although it is long: its steps share the record, and are read together, in their order, when one was cut off.
"""

# Its imports are in the image, not here.
# pyright: reportMissingImports=false
from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import check_schema
import copies
import exclusive
import migrate
import migrate_users
import rotate_kek
from connecting import RefusalError, reason_of
from kubernetes_api import ApiError, Cluster
from migrate import say
from schemas import Schema

USERS = "MLFLOW_AUTH_CONFIG_PATH" in os.environ
MODE = os.environ.get("MIGRATION_MODE", "manual")
DEPLOYMENT = os.environ.get("UPGRADE_DEPLOYMENT", "")
RECORD = os.environ.get("UPGRADE_RECORD", "")
INSTANCE = os.environ.get("UPGRADE_INSTANCE", "")
IMAGE = os.environ.get("UPGRADE_IMAGE", "")
CONTAINER = os.environ.get("UPGRADE_CONTAINER", "mlflow")
# CronJobs of the deployment by their component, whether they exist yet or not.
SCHEDULES = dict(each.split("=") for each in os.environ.get("UPGRADE_SCHEDULES", "").split(",") if each)
# CronJob that takes a backup; `database` if the database's own backups are what to go back to; `copy` for a copy on the same server;
# nothing without a backup.
BACKUP = os.environ.get("UPGRADE_BACKUP", "")
COPIES = BACKUP == "copy"
# The copy that is to be put back, or to be dropped.
CHOSEN = os.environ.get("UPGRADE_KEPT", "")
TRY_OUT = os.environ.get("UPGRADE_TRY_OUT") == "true"
# How long pods may take to end, and a new one to answer.
STOP_SECONDS = float(os.environ.get("UPGRADE_STOP_SECONDS", "120"))
START_SECONDS = float(os.environ.get("UPGRADE_START_SECONDS", "120"))
# How long servers go on while the pod of a backup looks for a node, and for its image there.
PREPARE_SECONDS = 120.0
# Applications of this deployment that write, by the names under which PostgreSQL lists them.
WRITERS = (exclusive.SERVER_APPLICATION_NAME, "mlflow-gc")
KEPT = 20
# When a migration is given up, a while before Kubernetes ends the Job.
DEADLINE = time.monotonic() + max(60.0, migrate.LOCK_TIMEOUT - 60)
# The first version that ends when Kubernetes asks it to: before, `mlflow server` passed the signal on to nobody.
ENDS = (3, 10)
Database = tuple[Any, list[Schema]]


def main() -> int:
    programs: dict[str, Callable[[], None]] = {
        "check": check,
        "automatic": lambda: alone(Upgrade.run),
        "blue-green": lambda: alone(Upgrade.run),
        "put-back": lambda: alone(Upgrade.put_back),
        "drop": lambda: alone(Upgrade.drop),
        "rotate-kek": lambda: rotate_kek.run(migrate.targets()[0][0]),
    }
    return migrate.main(programs.get(MODE, perform))


def check() -> None:
    """Print what an upgrade would meet, and what of it would be refused."""
    found = databases()

    def in_the_way() -> list[str]:
        refusals: list[str] = []
        # Without it, a person stops the servers, and this program does nothing in the cluster.
        if DEPLOYMENT:
            with _collected(refusals):
                upgrade = Upgrade(Cluster(say), found)
                refusals += upgrade.in_the_way(upgrade.pending())
        return refusals

    check_schema.run(found, in_the_way)


def perform() -> None:
    """Migrate; refuses while servers are connected."""
    (migrate_users.run if USERS else migrate.run)()


def databases() -> list[Database]:
    """Each database with its schemas. That of users comes last, and may be one of the others."""
    found = migrate.targets()
    return [*found, (migrate_users.store(), [migrate.AUTH])] if USERS else found


def alone(work: Callable[[Upgrade], None]) -> None:
    found = databases()
    first = found[0][0]
    with contextlib.ExitStack() as stack:
        stack.enter_context(migrate.alone(first, "upgrade"))
        for engine, _ in found[1:]:
            if engine.dialect.name != "sqlite":
                migrate.wait_until_it_answers(engine)
        # Copies are put back and dropped, too, after the mode has changed.
        if MODE != "automatic" and (aloof := copies.aloof(first)) is not first:
            stack.close()
            stack.enter_context(migrate.lock(aloof, "", "upgrade"))
        work(Upgrade(Cluster(say), found))


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


class Upgrade:
    """One upgrade, which may have been begun by another process.

    Its record holds `step`, what has been reached: `closing` (servers are being stopped), `closed`, `saved`, `migrating`,
    `migrated`, `opening`; or `returning` (the copy is being put back).
    """

    def __init__(self, cluster: Cluster, found: list[Database]) -> None:
        self.cluster = cluster
        self.databases = found
        held = cluster.get("configmaps", RECORD)
        if held is None:
            raise RefusalError(f"the ConfigMap {RECORD}, which records upgrades, is missing: run `pulumi up --refresh`")
        data = held.get("data") or {}
        self.record: dict[str, Any] = json.loads(data.get("current", "null") or "null") or {}
        self.history: list[dict[str, Any]] = json.loads(data.get("history", "[]"))
        # Databases beside this one, with what they hold: they stay until somebody drops them.
        self.kept: dict[str, str] = json.loads(data.get("kept", "{}"))

    def run(self) -> None:
        # What is half done is going to be replaced, and may be unknown to the image that was set back meanwhile.
        pending = [] if self.record.get("step") == "returning" else self.pending()
        if self.record.get("step") == "opening" and pending:
            self.finish("upgraded")  # cut off when only the end was missing; what is pending now is another upgrade
        if not self.record and not pending:
            perform()
            self.note_image()
            return
        begins = not self.record
        if not begins:
            say(f"going on with the upgrade of {self.record['startedAt']}, which had reached: {self.record['step']}")
        else:
            self.check(pending)
            migrate.load(schema for _, schema in pending)
            self.begin()
        try:
            if self.record["step"] == "returning":
                raise RefusalError(self.record["reason"])
            if pending:
                self.hold()
                with self.prepared() if begins else contextlib.nullcontext(dict) as backup:
                    self.close(backup)
                # What takes a backup is to MySQL as a server is, and PostgreSQL copies no database that anybody looks at.
                with self.guard(*([] if COPIES else ["postgresql"])):
                    self.save()
            # Before, the image was set back, whose servers are right to be there; after, those of the new one are.
            fenced = self.record["step"] in ("saved", "migrating", "migrated")
            with self.guard(*(["postgresql", "mysql"] if fenced else [])) as guard:
                self.migrate(pending, guard)
                if self.record["step"] != "opening":  # else servers may have run, and users deleted something
                    self.smoke()
        except Exception as error:
            if not isinstance(error, (RefusalError, exclusive.HeldError)):
                traceback.print_exc()
            self.give_up(error)
            raise RefusalError(f"the upgrade failed: {_reason(error)}") from error
        self.open()

    # -- what there is

    def pending(self) -> list[tuple[int, Schema]]:
        """Schemas to migrate, each with the number of its database."""
        return [
            (number, schema)
            for number, (engine, schemas) in enumerate(self.databases)
            for schema in schemas
            if migrate.due(engine, schema) == "migrate"
        ]

    def heads(self) -> dict[str, str | None]:
        return {
            f"{number}/{schema.name}": migrate.found(engine, schema)[0]
            for number, (engine, schemas) in enumerate(self.databases)
            for schema in schemas
        }

    def fingerprints(self) -> dict[str, list[str]]:
        return {
            f"{number}/{schema.name}": check_schema.fingerprint(engine, schema)
            for number, (engine, schemas) in enumerate(self.databases)
            for schema in schemas
        }

    def rows(self) -> dict[str, int]:
        return {
            f"{number}/{table}": count
            for number, (engine, _) in enumerate(self.databases)
            if engine.dialect.name != "sqlite"
            for table, count in check_schema.rows(engine).items()
        }

    def pods(self, component: str) -> list[str]:
        labels = {"app.kubernetes.io/instance": INSTANCE, "app.kubernetes.io/component": component}
        return [
            pod["metadata"]["name"]
            for pod in self.cluster.list("pods", labels)
            if pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
        ]

    # -- the record

    def reach(self, step: str, **more: Any) -> None:
        self.record.update(step=step, **more)
        self.write()

    def write(self) -> None:
        data = {
            "current": json.dumps(self.record) if self.record else None,
            "history": json.dumps(self.history),
            "kept": json.dumps(self.kept) if self.kept else None,
        }
        self.cluster.patch("configmaps", RECORD, {"data": data})

    def finish(self, result: str, **more: Any) -> None:
        """Move the record into the history."""
        kept = {
            key: value for key, value in self.record.items() if key not in ("step", "heads", "fingerprints", "rows")
        }
        self.history = [*self.history, {**kept, "result": result, "at": now(), **more}][-KEPT:]
        self.record = {}
        self.write()

    # -- the steps

    def check(self, pending: list[tuple[int, Schema]]) -> None:
        """Everything that could be in the way, before anything stops."""
        found = [
            problem
            for number, (engine, _) in enumerate(self.databases)
            for problem in check_schema.problems(engine, [schema for at, schema in pending if at == number])
        ]
        found += self.in_the_way(pending)
        if found:
            raise RefusalError(f"nothing was stopped, because the upgrade would fail: {'; '.join(found)}")

    def in_the_way(self, pending: list[tuple[int, Schema]]) -> list[str]:
        """What is missing for an upgrade besides what every migration needs."""
        dialects = {self.databases[number][0].dialect.name for number, _ in pending}
        found = [
            f"{name} cannot be upgraded automatically; set upgrade.mode: manual"
            for name in sorted(dialects - {"postgresql", "mysql", "sqlite"})
        ]
        if COPIES and not found:
            found += self.copy_problems()
        deployment = self.cluster.get("deployments", DEPLOYMENT)
        if deployment is None:
            connected = sum(migrate.connected_servers(engine) for engine, _ in self.databases)
            if pods := self.pods("server"):
                found.append(
                    f"there is no Deployment {DEPLOYMENT}, but its pods {', '.join(pods)} are there: name it in names.deployment"
                )
            elif connected:
                found.append(f"{connected} connection(s) of MLflow servers of another deployment are open: stop these")
        else:
            with _collected(found):
                self.scale(deployment["spec"].get("replicas", 1), try_out=True)
            grace = deployment["spec"].get("template", {}).get("spec", {}).get("terminationGracePeriodSeconds", 0)
            if grace > STOP_SECONDS and _deaf(_server_image(deployment["spec"])):
                found.append(
                    f"servers of MLflow before {'.'.join(map(str, ENDS))} do not end when they are asked to, and would take {grace} "
                    "seconds each: set server.shutdownGraceSeconds: 60, and run `pulumi up` with the old image first"
                )
        for name in SCHEDULES.values():
            if (schedule := self.cluster.get("cronjobs", name)) is not None:
                with _collected(found):
                    suspended = bool(schedule["spec"].get("suspend"))
                    self.cluster.patch("cronjobs", name, {"spec": {"suspend": suspended}}, try_out=True)
        if BACKUP not in ("", "database", "copy") and self.cluster.get("cronjobs", BACKUP) is None:
            found.append(
                f"there is no CronJob {BACKUP} yet to take a backup with: run `pulumi up` with the old image first, or set "
                "upgrade.withoutBackup: true for this once"
            )
        return found

    def copy_problems(self) -> list[str]:
        (first, _), *others = self.databases
        if any(not copies.same(first, engine) for engine, _ in others):
            return ["users or registered models are in another database than experiments; set upgrade.mode: automatic"]
        return copies.of(first).problems()

    def begin(self) -> None:
        deployment = self.cluster.get("deployments", DEPLOYMENT)
        spec = deployment["spec"] if deployment else {}
        schedules = {name: self.cluster.get("cronjobs", name) for name in SCHEDULES.values()}
        self.reach(
            "closing",
            startedAt=now(),
            replicas=spec.get("replicas", 1) if deployment else None,
            suspended={name: bool(each["spec"].get("suspend")) for name, each in schedules.items() if each},
            heads=self.heads(),
            to={"image": IMAGE, "heads": {each.name: migrate.known_revisions(each)[1] for each in self.schemas()}},
            **{"from": {"image": _server_image(spec), "heads": _by_schema(self.heads())}},
        )

    def note_image(self) -> None:
        """Write down another version with the same schema, which Pulumi rolls out: somebody may have to take it back."""
        deployment = self.cluster.get("deployments", DEPLOYMENT)
        image = _server_image(deployment["spec"]) if deployment else None
        if image not in (None, IMAGE):
            heads = _by_schema(self.heads())
            self.record = {
                "startedAt": now(),
                "from": {"image": image, "heads": heads},
                "to": {"image": IMAGE, "heads": heads},
            }
            self.finish("upgraded", freezeSeconds=0.0)

    def schemas(self) -> list[Schema]:
        return list(dict.fromkeys(schema for _, schemas in self.databases for schema in schemas))

    def hold(self) -> None:
        """Keep scheduled jobs from running, and wait for those that do. Servers go on meanwhile."""
        for name in self.record["suspended"]:
            self.cluster.patch("cronjobs", name, {"spec": {"suspend": True}})
        jobs = [component for component, name in SCHEDULES.items() if name in self.record["suspended"]]
        _wait(lambda: [pod for each in jobs for pod in self.pods(each)], "scheduled jobs", migrate.LOCK_TIMEOUT / 2)

    @contextlib.contextmanager
    def prepared(self) -> Iterator[Callable[[], dict[str, Any]]]:
        """A backup whose pod has its node and its images before anything stops, and begins when this ends: it waits for a lock.

        Yields:
            What of it belongs into the record once nobody writes any more. Nothing if it may have begun before; and whoever goes on
            after this process, which has lost the lock, does not know of it, and takes another.
        """
        if BACKUP in ("", "database", "copy"):
            yield dict
            return
        uri = os.environ["MLFLOW_BACKEND_STORE_URI"]
        with exclusive.held(uri, "housekeeping", migrate.LOCK_TIMEOUT / 2, say) as check:
            name = self.order_backup("", images=True)

            def pods() -> list[Any]:
                return self.cluster.list("pods", {"job-name": name})

            try:
                _wait(lambda: [] if any(map(_waits, pods())) else [name], "the backup's pod", PREPARE_SECONDS)
            except RefusalError as late:
                if any(each["spec"].get("nodeName") for each in pods()):
                    fix = f"kubectl describe pods --selector job-name={name}"
                    raise RefusalError(f"the backup's pod has a node and does not start; {fix}") from late
                say("there is no room for the backup's pod beside the servers")

            def record() -> dict[str, Any]:
                try:
                    check()
                except Exception as error:
                    say(f"the backup may have begun too early, and another is taken: {_reason(error)}")
                    return {}
                return {"backupJob": name}

            yield record

    def close(self, backup: Callable[[], dict[str, Any]]) -> None:
        """Stop the servers, and wait until nobody writes any more.

        Args:
            backup: Tells then what belongs into the record of a backup that waits.
        """
        if self.record["step"] == "closing":
            self.reach("closing", closedAt=self.record.get("closedAt") or now())
        say("stopping the servers")
        _wait(self.stopped, "the servers", STOP_SECONDS)
        engines = [engine for engine, _ in self.databases]
        _wait(lambda: [None] * sum(map(migrate.connected_servers, engines)), "connections of servers", 30)
        if self.record["step"] == "closing":
            self.reach("closed", stoppedAt=now(), rows=self.rows(), fingerprints=self.fingerprints(), **backup())

    def stopped(self) -> list[str]:
        """Pods that still run. Whoever starts some meanwhile is overruled."""
        deployment = self.cluster.get("deployments", DEPLOYMENT)
        if deployment is not None and deployment["spec"].get("replicas") != 0:
            self.scale(0)
        return self.pods("server")

    def scale(self, replicas: int, *, try_out: bool = False) -> None:
        self.cluster.patch("deployments", DEPLOYMENT, {"spec": {"replicas": replicas}}, try_out=try_out)

    def save(self) -> None:
        """Take a backup, unless this upgrade has one. A copy is made again: servers may have been started meanwhile."""
        if self.record["step"] not in ("closing", "closed", *(["saved"] if COPIES else [])):
            return
        saved: dict[str, Any] = {}
        if COPIES:
            saved = self.copy()
        elif BACKUP == "database":
            saved = {"restorePoint": now()}
            say(f"the database can be restored to {saved['restorePoint']}, by its own backups")
        elif BACKUP:
            saved = self.backup()
        else:
            say("no backup is taken, as upgrade.withoutBackup says")
        self.reach("saved", **saved)

    def order_backup(self, more: str, *, images: bool = False) -> str:
        """Have a Job take one, as the CronJob would.

        Args:
            more: What its name ends with.
            images: Whether its pod gets all images first, and not each when it is needed.

        Returns:
            Its name.
        """
        name = f"{BACKUP[:38]}-upgrade-{self.stamp()}{more}"
        cron = self.cluster.get("cronjobs", BACKUP)
        if cron is None:
            raise RefusalError(f"the CronJob {BACKUP} is gone")
        template = cron["spec"]["jobTemplate"]
        made = {**template.get("metadata", {}), "name": name}
        made["annotations"] = {**made.get("annotations", {}), "cronjob.kubernetes.io/instantiate": "manual"}
        owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": BACKUP, "uid": cron["metadata"].get("uid", "")}
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {**made, "ownerReferences": [owner]}}
        pod = template["spec"]["template"]["spec"]
        containers = [*(pod.get("initContainers") or ()), *pod["containers"]]
        if images:
            of_images = {each["image"]: each for each in containers}.values()
            pod["initContainers"] = [
                *(
                    {"name": f"image-{number}", "command": ["true"], **_plain(each)}
                    for number, each in enumerate(of_images)
                ),
                *(pod.get("initContainers") or ()),
            ]
        for container in containers:
            container["env"] = [*(container.get("env") or ()), {"name": "BACKUP_TAG", "value": "before-upgrade"}]
        self.cluster.create("jobs", {**job, "spec": template["spec"]})
        return name

    def backup(self) -> dict[str, Any]:
        """Wait for the backup that was prepared, or take one."""
        name = self.record.get("backupJob") or self.order_backup("-2")
        say(f"taking a backup: job {name}")
        saved: dict[str, Any] = {"backupJob": name}

        def unfinished() -> list[str]:
            status = (self.cluster.get("jobs", name) or {}).get("status", {})
            ended = {each["type"]: each for each in status.get("conditions") or () if each["status"] == "True"}
            if "Failed" in ended:
                reason = ended["Failed"].get("message", "")
                raise RefusalError(f"the backup failed ({reason}): kubectl logs job/{name} --all-containers")
            # The Job counts as complete seconds after its last container has ended, and its pod may be gone by then.
            ends = [_stored(pod) for pod in self.cluster.list("pods", {"job-name": name})]
            end = next(filter(None, ends), status.get("completionTime") if "Complete" in ended else None)
            if end is None:
                return [name]
            # Without what it has waited.
            begun = max(_time(status["startTime"]), _time(self.record.get("stoppedAt", self.record["closedAt"])))
            saved["backupSeconds"] = max(0.0, (_time(end) - begun).total_seconds())
            return []

        _wait(unfinished, "the backup", migrate.LOCK_TIMEOUT / 2)
        logs: list[str] = []
        with contextlib.suppress(ApiError):  # the backup is there without its name
            pods = self.cluster.list("pods", {"job-name": name})
            logs = [self.cluster.log(pod["metadata"]["name"], "store") for pod in pods]
        found = re.findall(r"(?:saved as )?snapshot ([0-9a-f]{8,64})\b", "\n".join(logs))
        return {**saved, **({"snapshot": found[-1]} if found else {})}

    def copy(self) -> dict[str, Any]:
        of = copies.of(self.databases[0][0])
        name = copies.named(of.name, copies.BEFORE, self.stamp())
        # Written down first: nobody would find one that was cut off.
        self.kept[name] = f"as MLflow {self.record['from']['image']} left it, {self.record['startedAt']}"
        self.write()
        say(f"copying the database to {name}")
        started = time.monotonic()
        triggers = of.make(name)
        copied, rows = of.at(name), check_schema.rows(of.engine)
        wrong = [
            *(table for table, count in check_schema.rows(copied).items() if count != rows.get(table, count)),
            *(
                schema.name
                for schema in self.schemas()
                if check_schema.fingerprint(copied, schema) != check_schema.fingerprint(of.engine, schema)
            ),
        ]
        if wrong:
            raise RefusalError(f"the copy {name} differs from the database: {', '.join(wrong)}")
        return {"kept": name, "triggers": triggers, "copySeconds": round(time.monotonic() - started, 1)}

    def stamp(self) -> str:
        return "".join(filter(str.isdigit, self.record["startedAt"]))[:14]

    def exchange(self, done: dict[str, Any]) -> str:
        """Give the copy of an upgrade the database's name; returns the other one's."""
        of, kept = copies.of(self.databases[0][0]), done["kept"]
        aside = kept.replace(f"_{copies.BEFORE}_", f"_{copies.AFTER}_")
        self.kept[aside] = f"as MLflow {done['to']['image']} left it, {now()}"
        self.write()
        of.exchange(kept, aside, done["triggers"])
        self.kept.pop(kept, None)
        self.write()
        return aside

    def put_back(self) -> None:
        """The copy of an upgrade in the place of what was written since; this is the way back after a success."""
        done = next((each for each in (self.record, *reversed(self.history)) if each.get("kept") == CHOSEN), None)
        if done is None:
            raise RefusalError(f"no upgrade that is written down has kept the database {CHOSEN}")
        of = copies.of(self.databases[0][0])
        if problems := self.copy_problems():
            raise RefusalError("; ".join(problems))
        aside = CHOSEN.replace(f"_{copies.BEFORE}_", f"_{copies.AFTER}_")
        old, new = (CHOSEN, of.name) if of.exists(CHOSEN) else (of.name, aside)
        if not (of.exists(old) and of.exists(new)):
            raise RefusalError(f"there is no database {CHOSEN} any more")
        before, after = check_schema.rows(of.at(old)), check_schema.rows(of.at(new))
        more = {name: rows - before.get(name, 0) for name, rows in after.items() if rows > before.get(name, 0)}
        tables = f" ({', '.join(f'{name} {rows}' for name, rows in sorted(more.items()))})" if more else ""
        say(f"written since the upgrade, and kept in {aside}: {sum(more.values())} rows{tables}")
        if TRY_OUT:
            return
        if servers := migrate.connected_servers(of.engine):
            raise RefusalError(f"{servers} connection(s) of running MLflow servers are open: stop them")
        self.exchange(done)
        say(f"{of.name} is as it was before the upgrade; what was there is {aside}")

    def drop(self) -> None:
        """A database that was kept, once nobody needs it any more."""
        if self.record.get("kept") == CHOSEN:
            raise RefusalError(
                f"the upgrade of {self.record['startedAt']} has not ended and may need {CHOSEN}: run `pulumi up`, which ends it"
            )
        if CHOSEN not in self.kept:
            there = f"there are: {', '.join(self.kept)}" if self.kept else "there is none"
            raise RefusalError(f"no upgrade has kept a database {CHOSEN}; {there}")
        self.discard(CHOSEN)
        say(f"dropped {CHOSEN}")

    def discard(self, name: str) -> None:
        copies.of(self.databases[0][0]).drop(name)
        self.kept.pop(name, None)
        self.write()

    def guard(self, *dialects: str) -> Guard:
        """What keeps servers out of the databases of these kinds."""
        return Guard([engine for engine, _ in self.databases if engine.dialect.name in dialects])

    def migrate(self, pending: list[tuple[int, Schema]], guard: Guard) -> None:
        if pending and self.record["step"] == "migrating":
            # The process before this one was ended in the middle.
            current = self.fingerprints()
            if any(
                self.record["fingerprints"][key] != current[key] for key in (f"{at}/{of.name}" for at, of in pending)
            ):
                raise migrate.HalfwayError("the migration was cut off, and MySQL keeps the half that was done")
        if not pending:
            perform()
            return
        self.reach("migrating")
        started = time.monotonic()
        guard.deadline = DEADLINE
        perform()
        guard.deadline = None
        self.reach("migrated", migrationSeconds=round(time.monotonic() - started, 1))

    def smoke(self) -> None:
        """The new version can read every table, and no row is gone."""
        before, after = self.record.get("rows") or {}, self.rows()
        if lost := [
            f"{table} has {after.get(table, 0)} rows of {count}"
            for table, count in before.items()
            if after.get(table, 0) < count
        ]:
            raise RefusalError(f"rows are missing after the migration: {', '.join(lost)}")
        # Importing MLflow takes seconds, which nobody has to wait for if there was nothing to migrate.
        if "migrationSeconds" in self.record:
            read_every_table(self.databases[0][0])

    def open(self) -> None:
        """Start the new version: its image with what else the pods had, until Pulumi gives them all that is new."""
        self.reach("opening")
        self.start(IMAGE)
        seconds = self.since_closed()
        self.resume()
        # The image may have been set back to the old one before anything was migrated.
        self.record["to"]["image"] = IMAGE
        done = _by_schema(self.heads()) == self.record["to"]["heads"]
        taken = f"{self.record.get('migrationSeconds', 0)} of them for the migration"
        self.finish("upgraded" if done else "taken back", freezeSeconds=seconds)
        say(f"{self.history[-1]['result']}; nobody could write for {seconds} seconds, {taken}")

    def start(self, image: str) -> None:
        deployment, replicas = self.cluster.get("deployments", DEPLOYMENT), self.record["replicas"]
        if deployment is None or replicas is None:
            return
        pod = deployment["spec"]["template"]["spec"]
        old = _server_image(deployment["spec"])
        changed = {
            kind: [{"name": each["name"], "image": image} for each in pod.get(kind) or () if each["image"] == old]
            for kind in ("containers", "initContainers")
        }
        spec = {kind: each for kind, each in changed.items() if each}
        body = {"spec": {"replicas": replicas, "template": {"spec": spec}}}
        self.cluster.patch("deployments", DEPLOYMENT, body, by_name=True)
        self.cluster.let_go("deployments", DEPLOYMENT)

        def missing() -> list[str]:
            found = self.cluster.get("deployments", DEPLOYMENT) or {}
            status = found.get("status", {})
            current = status.get("observedGeneration", 0) >= found.get("metadata", {}).get("generation", 0)
            return [] if current and status.get("availableReplicas") else [DEPLOYMENT]

        if replicas:
            try:
                _wait(missing, "the first server", START_SECONDS)
            except RefusalError as late:
                say(f"{late}; going on, since the Deployment may need more than the image")

    def since_closed(self) -> float:
        closed = self.record.get("closedAt")
        if closed is None:
            return 0.0
        passed = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(closed)
        return round(passed.total_seconds(), 1)

    def resume(self) -> None:
        for name, suspended in self.record["suspended"].items():
            self.cluster.patch("cronjobs", name, {"spec": {"suspend": suspended}})
            self.cluster.let_go("cronjobs", name)

    def give_up(self, error: Exception) -> None:
        """Start the old version again if the database is as it was."""
        say(f"the upgrade failed: {_reason(error)}")
        try:
            for engine, _ in self.databases:
                if engine.dialect.name != "sqlite":
                    migrate.wait_until_it_answers(engine)
            # Before the servers were stopped, nothing is recorded and nothing was changed.
            unchanged = self.unchanged()
            # Nobody has written since the copy was made, as long as the new version was not started.
            if "kept" in self.record and (
                self.record["step"] == "returning"
                or (not unchanged and self.record["step"] in ("migrating", "migrated"))
            ):
                self.reach("returning", reason=_reason(error))
                say(f"putting the copy {self.record['kept']} back in its place")
                self.exchange(self.record)
                unchanged = self.unchanged()
            if unchanged:
                self.start(self.record["from"]["image"])
                seconds = self.since_closed()
                self.resume()
                # Written down first: without its copy, a record would lead nowhere.
                made = [name for name in self.kept if name.endswith(self.stamp())]
                self.record.pop("kept", None)
                self.finish("failed", freezeSeconds=seconds, reason=_reason(error))
                self.clear(made)
                say(f"the database is as it was before, and the old version serves again, after {seconds} seconds")
                return
        except Exception as another:
            say(f"cannot start the old version now: {_reason(another)}")
            say("the servers stay stopped; the next `pulumi up` goes on from here")
            return
        if self.record["step"] == "opening":
            say("the new version was being started: the next `pulumi up` goes on, `pulumi-mlflow rollback` goes back")
            return
        names = {
            "snapshot": "snapshot",
            "restorePoint": "its state at",
            "backupJob": "the backup of job",
            "kept": "the copy",
        }
        saved = [f"{name} {self.record[key]}" for key, name in names.items() if key in self.record]
        what = saved[0] if saved else "the backup from before"
        say(
            f"the database is no longer as it was, so the servers stay stopped. Restore it ({what}) and run `pulumi up` again; "
            "docs/upgrade.md has the commands"
        )

    def unchanged(self) -> bool:
        """Whether the database is as it was when the servers were stopped."""
        known = self.record.get("fingerprints")
        return self.heads() == self.record["heads"] and known in (None, self.fingerprints())

    def clear(self, made: list[str]) -> None:
        """Leave no copy of an upgrade that has failed, as far as that is possible now."""
        for name in made:
            try:
                self.discard(name)
            except Exception as error:
                say(f"the copy {name} is still there: {_reason(error)}")


class Guard:
    """Ends every session of a server that comes back.

    Attributes:
        deadline: When it ends the migration's own sessions on PostgreSQL, too; never if None.
    """

    def __init__(self, engines: list[Any]) -> None:
        self.deadline: float | None = None
        # On MySQL without a database: a session in it counts as a server's.
        self._engines = {
            each: migrate.connectable_without_database(each) if each.dialect.name == "mysql" else each
            for each in engines
        }
        self._stop = threading.Event()
        self._own: set[int] = set()
        self._seen: dict[Any, set[int]] = {}
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Guard:
        import sqlalchemy

        sqlalchemy.event.listen(sqlalchemy.pool.Pool, "connect", self._opened)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        import sqlalchemy

        self._stop.set()
        self._thread.join(10)
        sqlalchemy.event.remove(sqlalchemy.pool.Pool, "connect", self._opened)

    def _opened(self, connection: Any, _: object) -> None:
        if hasattr(connection, "thread_id"):  # a driver of MySQL
            self._own.add(connection.thread_id())

    def _watch(self) -> None:
        import sqlalchemy

        with contextlib.ExitStack() as kept:
            connections: dict[Any, Any] = {}
            while not self._stop.wait(0.2):
                for engine, outside in self._engines.items():
                    try:
                        if engine not in connections:
                            made = outside.connect().execution_options(isolation_level="AUTOCOMMIT")
                            connections[engine] = kept.enter_context(contextlib.closing(made))
                        if ended := self._end(engine, connections[engine]):
                            say(f"ended {ended} session(s) of servers that came back")
                    except sqlalchemy.exc.DBAPIError:
                        connections.pop(engine, None)

    def _end(self, engine: Any, connection: Any) -> int:
        import sqlalchemy

        if engine.dialect.name == "postgresql":
            # Rolled back in time, so that the old version can serve again, rather than by Kubernetes, which ends all of this.
            late = ["mlflow-migration"] if self.deadline is not None and time.monotonic() > self.deadline else []
            return int(connection.execute(sqlalchemy.text(_END), {"ended": [*WRITERS, *late]}).scalar() or 0)
        sessions = connection.execute(sqlalchemy.text("SHOW PROCESSLIST")).all()  # Id, User, Host, db, …
        user = engine.url.username
        others = {
            each[0]
            for each in sessions
            if each[3] == engine.url.database and each[0] not in self._own and user in (None, each[1])
        }
        # Of a session seen once only, our own may not have told its number yet.
        again, self._seen[engine] = others & self._seen.get(engine, set()), others
        for number in again:
            with contextlib.suppress(sqlalchemy.exc.DBAPIError):
                connection.execute(sqlalchemy.text(f"KILL {int(number)}"))
        return len(again)


_END = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = ANY(:ended) AND pid <> pg_backend_pid()"""


def read_every_table(engine: Any) -> None:
    """Read one row of each table with the new version's own classes, which name every column.

    What these would do with a value is left out: secrets of webhooks are decrypted, with a key that this pod does not have.
    """
    import sqlalchemy
    from mlflow.store.db.base_sql_model import Base
    from mlflow.store.model_registry.dbmodels import models as _registry  # noqa: F401
    from mlflow.store.tracking.dbmodels import models as _tracking  # noqa: F401

    existing = set(sqlalchemy.inspect(engine).get_table_names())
    with engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            if table.name in existing:
                columns = [
                    sqlalchemy.type_coerce(each, each.type.impl)
                    if isinstance(each.type, sqlalchemy.TypeDecorator)
                    else each
                    for each in table.columns
                ]
                connection.execute(sqlalchemy.select(*columns).limit(1)).all()


def _by_schema(heads: dict[str, str | None]) -> dict[str, str | None]:
    """Versions by the schema alone: of two databases that hold the same schema, the first one's."""
    return {key.partition("/")[2]: head for key, head in reversed(heads.items())}


def _time(written: str) -> datetime.datetime:
    """A time as Kubernetes writes it."""
    return datetime.datetime.fromisoformat(written.replace("Z", "+00:00"))


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, RefusalError) else reason_of(getattr(error, "orig", error))


def _server_image(spec: Any) -> str | None:
    containers = spec.get("template", {}).get("spec", {}).get("containers") or ()
    return next((each["image"] for each in containers if each["name"] == CONTAINER), None)


def _plain(container: Any) -> dict[str, Any]:
    """What of a container says nothing of its work."""
    return {
        name: container[name]
        for name in ("image", "imagePullPolicy", "resources", "securityContext")
        if container.get(name)
    }


def _waits(pod: Any) -> bool:
    """Whether a pod of a backup has come as far as the lock."""
    containers = pod.get("status", {}).get("initContainerStatuses") or ()
    return any(each["name"] == "lock" and "running" in each.get("state", {}) for each in containers)


def _stored(pod: Any) -> str | None:
    """When a pod of a backup has stored it and read it back."""
    for each in pod.get("status", {}).get("containerStatuses") or ():
        ended = each.get("state", {}).get("terminated")
        if each["name"] == "store" and ended and ended.get("exitCode") == 0:
            return ended["finishedAt"]
    return None


def _deaf(image: str | None) -> bool:
    """Whether an image, by its tag, is of a version that does not end when it is asked to."""
    version = re.search(r":v?(\d+)\.(\d+)[^/]*$", image or "")
    return version is not None and tuple(map(int, version.groups())) < ENDS


def _wait(remaining: Callable[[], list[Any]], what: str, seconds: float) -> None:
    """Wait until nothing remains.

    Raises:
        RefusalError: Something does after that time.
    """
    deadline = time.monotonic() + seconds
    said = False
    while left := remaining():
        names = ", ".join(map(str, filter(None, left))) or str(len(left))
        if time.monotonic() > deadline:
            raise RefusalError(f"{what} did not come to an end within {seconds:.0f} seconds: {names}")
        if not said:
            say(f"waiting for {what}: {names}")
            said = True
        time.sleep(0.5)


@contextlib.contextmanager
def _collected(problems: list[str]) -> Iterator[None]:
    try:
        yield
    except (ApiError, RefusalError) as error:
        problems.append(str(error))


if __name__ == "__main__":
    sys.exit(main())
