"""Certificate authorities of RDS, which systems do not trust by default.

The file holds the root certificates of all regions at the time of writing; a newer region needs its own from
https://truststore.pki.rds.amazonaws.com. Nothing is downloaded, neither at preview nor in pods, which may have no access.
"""

import functools
import re
from pathlib import Path

import pulumi

_FILE = Path(__file__).with_name("certificates.pem")
_CERTIFICATE = r"^# (?P<region>\S+) \S+ \S+\n(?P<pem>-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----\n)"


@functools.cache
def authorities() -> dict[str, str]:
    """All root certificates of each region in PEM form."""
    found: dict[str, str] = {}
    for match in re.finditer(_CERTIFICATE, _FILE.read_text(), re.MULTILINE):
        found[match["region"]] = found.get(match["region"], "") + match["pem"]
    return found


def of_region(region: str) -> str:
    """Root certificates of a region.

    Raises:
        pulumi.RunError: They are not known.
    """
    if region not in authorities():
        raise pulumi.RunError(
            f"the certificate authorities of RDS in {region} are not known here: download "
            f"https://truststore.pki.rds.amazonaws.com/{region}/{region}-bundle.pem and give its text as caCertificate"
        )
    return authorities()[region]
