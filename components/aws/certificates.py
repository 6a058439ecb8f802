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


def of_region(region: str, argument: str) -> str:
    """Root certificates of a region.

    Args:
        region: The region.
        argument: Path of the argument that takes others, for the message.

    Raises:
        pulumi.RunError: They are not known.
    """
    if region not in authorities():
        raise pulumi.RunError(
            f"{argument}: is required in {region}, whose certificate authorities of RDS are not shipped; give the text of {_bundle(region)}"
        )
    return authorities()[region]


def _bundle(region: str) -> str:
    """Where AWS publishes the certificates of a region; the isolated partitions have no public place:
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html#UsingWithRDS.SSL.CertificatesAllRegions."""
    if region.startswith("cn-"):
        return "https://rds-truststore.s3.cn-north-1.amazonaws.com.cn/global/global-bundle.pem"
    if region.startswith("us-gov-"):
        return f"https://truststore.pki.us-gov-west-1.rds.amazonaws.com/{region}/{region}-bundle.pem"
    if re.match(r"[a-z]+-iso|eusc-", region):
        return "the region's bundle, which the documentation of its partition names"
    return f"https://truststore.pki.rds.amazonaws.com/{region}/{region}-bundle.pem"
