"""Older versions of MLflow, to upgrade from: as images, and as processes of this machine."""

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from components import versions
from tests.support import backups, configurations, mariadb, mlflow_image, postgresql, s3
from tests.support.kubernetes import unique_name
from toolchain import cluster, environments, paths
from toolchain.bare import images, oci
from toolchain.bare.images import layers, mlflow
from toolchain.console import run
from toolchain.files import write

Database = postgresql.Database | mariadb.Database
REPOSITORY = versions.MLFLOW_IMAGE.partition(":")[0]
_BESIDE = "opt/older"
"""Where the older version is in an image that is built here: beside the newer one, before it on Python's path."""
_COMMANDS = "opt/older-commands"
_SERVES = (3, 6)
"""The first minor that the component's command line starts; older ones have no uvicorn and none of its options."""
_NEEDED = {
    (3, 7): ("sqlalchemy<2.1",),
    (3, 6): ("protobuf<7",),
    (2, 10): (
        *(
            "protobuf<6",
            "pytz",
            "entrypoints",
            "querystring-parser",
            "databricks-cli",
            "tabulate",
            "oauthlib",
            "pyjwt",
            "six",
        ),
        *("importlib-metadata<9", "setuptools<80", "zipp"),
    ),
}
"""What minors before these need in place of newer packages, or besides them."""
_COMMAND = """#!/opt/venv/bin/python3
# Servers of this version know fewer options, and as the first process of a pod they would not end when they are asked to.
import os, signal, sys

if not sys.argv[1:2] or not sys.argv[1].endswith("/serve.py"):
    os.execv("/opt/venv/bin/python3", ["python3", *sys.argv[1:]])

from mlflow.cli import cli

def end(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)

known = {name for each in cli.commands["server"].params for name in each.opts} - {"--app-name"}
options = [each for each in sys.argv[2:] if not each.startswith("--") or each.partition("=")[0] in known]
if os.getpgid(0) != os.getpid():
    os.setpgid(0, 0)
signal.signal(signal.SIGTERM, end)
cli(["server", "--host=0.0.0.0", *options])
"""
"""Stands for `python` in the image of a version that the component's command line does not start."""


def tag(version: str) -> str:
    """Tag of the official image."""
    return f"v{version}-full"


def ensure(version: str) -> None:
    """See to it that the test cluster has an image of that version or can pull it."""
    reference, target = f"{REPOSITORY}:{tag(version)}", cluster.current()
    if target is None or not target.ours or target.has_image(reference):
        return
    if serves(version) and images.registry_answers(reference):
        return
    base = images.archive(versions.MLFLOW_IMAGE)
    made = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    folder = paths.cache("images", f"older-{version}-{made}-{base.parent.name}")
    with paths.lock(folder.name, f"building {reference}"):
        if not (folder / "image.tar").exists():
            folder.mkdir(parents=True, exist_ok=True)
            with tarfile.open(base) as archive:
                manifest = archive.extractfile("manifest.json")
                assert manifest is not None
                below = json.loads(manifest.read())[0]["Layers"]
                archive.extractall(folder, [archive.getmember(name) for name in below], filter="data")
            root, layer = folder / "root", folder / "layer.tar"
            install(version, root / _BESIDE)
            if not serves(version):
                program = root / _COMMANDS / "python"
                program.parent.mkdir(parents=True)
                write(program, _COMMAND)
                program.chmod(0o755)
            site = root / f"opt/venv/lib/python{mlflow._PYTHON}/site-packages"
            site.mkdir(parents=True)
            write(site / "older.pth", f"import sys; sys.path.insert(0, '/{_BESIDE}')\n")
            layers.write(root, layer, ())
            env = {"PATH": f"/{_COMMANDS}:/opt/venv/bin:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
            oci.write_image(
                folder / "image.tar", reference, [*(folder / name for name in below), layer], env=env, cmd=["python3"]
            )
            layers.discard(folder / "blobs", root, layer)
    target.load_image(folder / "image.tar")


def backed_up(
    version: str, database: postgresql.Database, bucket: s3.Bucket, **more: Any
) -> tuple[dict[str, Any], dict[str, str]]:
    """Configuration and secrets of that version that is upgraded by itself, with backups in its bucket; with one server if not told."""
    ensure(version)
    values = configurations.postgresql(
        unique_name(),
        database,
        bucket,
        image={"tag": tag(version)},
        upgrade={"mode": "automatic"},
        backup=backups.in_bucket(bucket),
        **{"server": {"replicas": 1, "allowedHosts": ["10.*"]}, **more},
    )
    return values, {**configurations.postgresql_secrets(database, bucket), **backups.in_bucket_secrets(bucket)}


def serves(version: str) -> bool:
    """Whether the component can start the official image of that version."""
    return _minor(version) >= _SERVES


def _minor(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")[:2]))


def install(version: str, folder: Path) -> None:
    """Install MLflow and nothing else; what it needs besides is what the newer one needs."""
    command, env = environments.uv()
    more = [package for before, packages in _NEEDED.items() if _minor(version) < before for package in packages]
    # Before 3.0, tracing was in the others.
    names = ["mlflow", "mlflow-skinny", *(["mlflow-tracing"] if version >= "3" else [])]
    packages = [*(f"{name}=={version}" for name in names), *more]
    options = ["--no-deps", "--python", environments.INTERPRETER, "--compile-bytecode", "--target", folder]
    # In an image, files have other times: by them, each start would find its bytecode stale, and compile all of MLflow.
    env = {**env, "PYC_INVALIDATION_MODE": "UNCHECKED_HASH"}
    run([*command, "pip", "install", *options, *packages], log=paths.state("logs", f"older-{version}.log"), env=env)


def uri(database: Database) -> str:
    """A database as MLflow is told of it."""
    if isinstance(database, postgresql.Database):
        scheme, options, password = "postgresql+psycopg2", "sslmode=require", database.password
    else:
        # PyMySQL sends passwords in Latin-1.
        scheme, options = "mysql+pymysql", "ssl_check_hostname=false"
        password = database.password.encode().decode("latin-1")
    return f"{scheme}://{database.name}:{quote(password, safe='')}@{database.host}:{database.port}/{database.name}?{options}"


def packages(version: str) -> Path:
    """An older MLflow, from where `PYTHONPATH` finds it before the one of the image."""
    folder = paths.cache("older", version)
    with paths.lock(f"older-{version}", f"preparing MLflow {version}"):
        if not (folder / ".complete").exists():
            install(version, folder)
            (folder / ".complete").touch()
    return folder


def python(*arguments: str, **variables: str) -> "subprocess.Popen[str]":
    """Start the interpreter of MLflow's image, with older packages where `PYTHONPATH` says so; `forks.python` starts it sooner."""
    interpreter = environments.python(mlflow_image.packages())
    return mlflow_image.start(interpreter, ("-W", "ignore", *arguments), {"PYTHONDONTWRITEBYTECODE": "1", **variables})
