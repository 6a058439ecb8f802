"""moto's server, whose RDS leads to real database servers: `python -m tests.support.aws_server <settings as JSON>`.

A database that is made through the API is made in the real server as well, with its user and password, and the API answers
with the real server's address. What moto forgets, and the provider reads back, is kept here too.
"""

import functools
import json
import re
import secrets
import sys
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pymysql
from moto import server
from moto.iam import access_control
from moto.moto_server import werkzeug_app
from moto.rds import models as rds
from moto.s3 import responses
from psycopg import sql
from werkzeug.test import run_wsgi_app


def main(settings: dict[str, str]) -> None:
    """Serve until ended.

    Args:
        settings: `port` to listen on; `host` of the databases for pods; `postgresql_folder` with the socket and
            `postgresql_port`; `mysql_socket`.
    """

    def postgresql(name: str, user: str, password: str) -> None:
        where = {"host": settings["postgresql_folder"], "port": settings["postgresql_port"]}
        with psycopg.connect(**where, user="postgres", autocommit=True) as connection:  # type: ignore[arg-type]
            owner = sql.Identifier(user)
            if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (user,)).fetchone():
                return  # What a snapshot is restored to has them.
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(owner, sql.Literal(password)))
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), owner))

    def mysql(name: str, user: str, password: str) -> None:
        with pymysql.connect(unix_socket=settings["mysql_socket"], user="root", autocommit=True) as connection:
            cursor = connection.cursor()
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
            cursor.execute(f"CREATE USER {user}@'%%' IDENTIFIED BY %s", (password,))
            cursor.execute(f"GRANT ALL ON {name}.* TO {user}@'%%'", ())

    make: dict[str, Callable[[str, str, str], None]] = {"postgres": postgresql, "mysql": mysql}
    make |= {"aurora-postgresql": postgresql, "aurora-mysql": mysql}
    instance, change, cluster, bucket = (
        rds.DBInstance.__init__,
        rds.DBInstance.update,
        rds.RDSBackend.create_db_cluster,
        responses.S3Response._bucket_response_put,
    )

    def made_instance(self: Any, backend: Any, **asked: Any) -> None:
        instance(self, backend, **asked)
        # moto gives all of them the same one, by which the provider looks its own up.
        self.dbi_resource_id = f"db-{secrets.token_hex(13).upper()}"
        # moto takes what is restored to a point in time for a replica.
        self.source_db_instance_identifier = None
        if asked.get("master_user_password"):
            make[asked["engine"]](asked["db_name"], asked["master_username"], asked["master_user_password"])
        _watch(self, asked)

    def changed_instance(self: Any, **asked: Any) -> None:
        change(self, **asked)
        if "enable_performance_insights" in asked:
            _watch(self, asked)

    def made_cluster(self: Any, asked: dict[str, Any]) -> Any:
        make[asked["engine"]](asked["database_name"], asked["master_username"], asked["master_user_password"])
        return cluster(self, asked)

    def made_bucket(self: Any, request: Any, bucket_name: str, querystring: dict[str, Any]) -> Any:
        answer = bucket(self, request, bucket_name, querystring)
        tags = re.findall(r"<Tag><Key>(.*?)</Key><Value>(.*?)</Value></Tag>", self.body.decode())
        if tags and not querystring:
            arn = self.backend.head_bucket(bucket_name).arn
            self.backend.tagger.tag_resource(arn, [{"Key": key, "Value": value} for key, value in tags])
        return answer

    permitted = access_control.IAMPolicyStatement.is_action_permitted

    def permitted_over_tls(self: Any, *asked: Any, **more: Any) -> Any:
        # moto takes no note of conditions, and would deny everything that is denied without TLS. What the policies mean is
        # for test_iam.py.
        if any(key in json.dumps(self._statement) for key in ("aws:SecureTransport", "s3:TlsVersion")):
            return access_control.PermissionResult.NEUTRAL
        return permitted(self, *asked, **more)

    access_control.IAMPolicyStatement.is_action_permitted = permitted_over_tls  # type: ignore[method-assign]
    rds.DBInstance.__init__ = made_instance  # type: ignore[method-assign]
    rds.DBInstance.update = changed_instance  # type: ignore[method-assign]
    rds.RDSBackend.create_db_cluster = made_cluster  # type: ignore[method-assign]
    responses.S3Response._bucket_response_put = made_bucket  # type: ignore[method-assign]
    rds.DBInstance.address = property(lambda _: settings["host"])  # type: ignore[assignment,method-assign]
    rds.DBCluster.endpoint = property(lambda _: settings["host"])  # type: ignore[assignment,method-assign]
    # Only the first kind of serverless clusters has it.
    rds.DBCluster.scaling_configuration_info = property(lambda _: None)  # type: ignore[assignment,method-assign]
    _one_at_a_time()
    server.main(["-H", "0.0.0.0", "-p", settings["port"]])


def _one_at_a_time() -> None:
    """moto's models are not made for several threads: what they began for a request that failed exists when it is asked for again.

    What a client asks for again because the answer was lost is answered as before, by the number that its SDK gives each call: it has
    happened, and some things cannot happen twice.
    """
    dispatch, turn = werkzeug_app.DomainDispatcherApplication.__call__, threading.Lock()
    answers: dict[str, Any] = {}

    def in_turn(self: Any, environ: Any, start_response: Any) -> Any:
        call = environ.get("HTTP_AMZ_SDK_INVOCATION_ID", "")
        with turn:
            if not call or environ["REQUEST_METHOD"] != "POST":
                return dispatch(self, environ, start_response)
            answer = answers.get(call) or run_wsgi_app(functools.partial(dispatch, self), environ, buffered=True)
            body, status, headers = answer
            if status < "5":
                answers[call] = answer
        start_response(status, headers.to_wsgi_list())
        return body

    werkzeug_app.DomainDispatcherApplication.__call__ = in_turn  # type: ignore[method-assign]


def _watch(instance: Any, asked: dict[str, Any]) -> None:
    # What is restored to a point in time has that of its source, under its other name.
    inherited = asked.get("performance_insights_enabled", False)
    instance.performance_insights_enabled = asked.get("enable_performance_insights", inherited)
    instance.performance_insights_kms_key_id = asked.get("performance_insights_kms_key_id")
    instance.performance_insights_retention_period = asked.get("performance_insights_retention_period")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
