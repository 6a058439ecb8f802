"""A real headless browser: an installed Chrome, or Debian's Chromium used in place."""

import base64
import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from toolchain.bare import debian


@contextlib.contextmanager
def open_browser(folder: Path, hosts: dict[str, str], certificate: str | None = None) -> Iterator[Chrome]:
    """Start it.

    Args:
        folder: An empty folder for its profile.
        hosts: Addresses by the names that it is to look up there; `*` is every name.
        certificate: The one certificate that it trusts besides the usual ones, in PEM form.
    """
    browser, driver_program, environment = _programs()
    options = ChromeOptions()
    options.binary_location = browser
    for argument in (
        "--headless=new",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1280,760",
        f"--user-data-dir={folder}",
        "--host-resolver-rules=" + ",".join(f"MAP {name} {address}" for name, address in hosts.items()),
        *([f"--ignore-certificate-errors-spki-list={_fingerprint(certificate)}"] if certificate else []),
        *(["--no-sandbox"] if os.geteuid() == 0 else []),  # its sandbox refuses root
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    environment["HOME"] = str(folder)
    driver = Chrome(options=options, service=ChromeService(executable_path=driver_program, env=environment))
    try:
        yield driver
    finally:
        driver.quit()


def _fingerprint(certificate: str) -> str:
    key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(encoded).digest()).decode()


def _programs() -> tuple[str, str, dict[str, str]]:
    """Browser, its driver, and the environment of both. Ubuntu, as on hosted runners, has Chrome and no package of Chromium."""
    chrome, driver = shutil.which("google-chrome"), shutil.which("chromedriver")
    if chrome and driver:
        return chrome, driver, dict(os.environ)
    root = debian.unpack(["chromium", "chromium-driver"])
    environment = debian.environment(root)
    # PulseAudio's private library, which the loader finds by an absolute path where it is installed.
    private = ":".join(str(path) for path in root.glob("usr/lib/*/pulseaudio"))
    environment["LD_LIBRARY_PATH"] += f":{private}"
    return str(root / "usr/lib/chromium/chromium"), str(root / "usr/bin/chromedriver"), environment
