"""Pictures of MLflow's pages in the documentation: the server of this version, as a process, in a real browser.

`python -m tests.screenshots` takes them anew, which a test asks for when the version has changed.
"""

import os
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from mlflow import MlflowClient
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from components.versions import MLFLOW
from tests.configurations import DEV
from tests.support import processes, rendered
from tests.support.browser import open_browser
from tests.support.commands import programs
from toolchain.paths import ROOT

IMAGES = ROOT / "docs" / "images"
PROGRAM = ROOT / "docs" / "how-to" / "notebooks.md"
LOCAL, HOST = "127.0.0.1", "mlflow.example.com"
PAGES = {
    "experiments.png": ("#/experiments", "first"),
    "run.png": ("#/experiments/{experiment}/runs/{run}/model-metrics", "accuracy"),
}
"""What is shown, and what the page must say before it is complete."""
_SAYS = b"Software\0MLflow "
"""How a picture says what made it: https://www.w3.org/TR/png-3/#11tEXt."""
_SIGNATURE = 8


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        port = processes.free_port()
        url = f"http://{LOCAL}:{port}"
        pod = rendered.pod(
            {**DEV, "server": {"port": port, "allowedHosts": [f"{HOST}:{port}"]}}, "mlflow-server", Path(folder, "pod")
        )
        for first in pod.first:
            first.finish().check_returncode()
        ready = lambda: processes.listens(LOCAL, port)  # noqa: E731
        with processes.running(pod.main.command, Path(folder, "log"), env=pod.main.environment, ready=ready):
            (program,) = programs(PROGRAM)
            Path(folder, "notebook.py").write_text(program)
            variables = {**os.environ, "MLFLOW_TRACKING_URI": url, "MLFLOW_DISABLE_TELEMETRY": "true", "LOGNAME": "ada"}
            subprocess.run([sys.executable, "notebook.py"], cwd=folder, env=variables, check=True)
            client = MlflowClient(url)
            (experiment,) = [each for each in client.search_experiments() if each.name == "first"]
            (run,) = client.search_runs([experiment.experiment_id])
            places = {"experiment": experiment.experiment_id, "run": run.info.run_id}
            # By a name: at localhost there is an assistant beside each page, which no other address has.
            with open_browser(Path(folder, "browser"), {HOST: LOCAL}) as browser:
                for name, (page, text) in PAGES.items():
                    browser.get(f"http://{HOST}:{port}/{page.format(**places)}")
                    WebDriverWait(browser, 60).until(
                        lambda shown, text=text: text in shown.find_element(By.TAG_NAME, "body").text
                    )
                    (IMAGES / name).write_bytes(_saying(browser.get_screenshot_as_png(), MLFLOW))


def version_of(picture: bytes) -> str:
    """The version of MLflow that a picture was taken of; empty if it does not say so."""
    _, found, rest = picture.partition(_SAYS)
    length = struct.unpack(">I", picture[picture.index(_SAYS) - 8 :][:4])[0] if found else len(_SAYS)
    return rest[: length - len(_SAYS)].decode("ascii")


def _saying(picture: bytes, version: str) -> bytes:
    """The picture with a note of its version after the header."""
    (header,) = struct.unpack(">I", picture[_SIGNATURE:][:4])
    end = _SIGNATURE + header + 12
    note = b"tEXt" + _SAYS + version.encode()
    chunk = struct.pack(">I", len(note) - 4) + note + struct.pack(">I", zlib.crc32(note))
    return picture[:end] + chunk + picture[end:]


if __name__ == "__main__":
    main()
