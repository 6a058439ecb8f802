"""Generated configurations of what is made on Google Cloud and Azure."""

from typing import Any

from hypothesis import strategies as st

from tests.configurations import AZURE, CERTIFICATE, GCP

_NAMES = st.from_regex(r"[a-z][a-z0-9]{3,10}", fullmatch=True)
_SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=33, max_size=40).map("canary-{}".format)
_ENDPOINT = AZURE["azure"]["privateEndpoint"]
_INJECTED = {
    "delegatedSubnetId": AZURE["azure"]["delegatedSubnetId"],
    # A real one says for which engine it is.
    "privateDnsZoneId": AZURE["azure"]["privateDnsZoneId"].replace("postgres.", ""),
}


def _block(required: dict[str, Any], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(required, optional=optional)


def _with(choices: list[dict[str, Any]], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A block of one of several sets of keys that fit each other, with any of the optional ones."""
    return st.tuples(st.sampled_from(choices), _block({}, **optional)).map(lambda parts: {**parts[0], **parts[1]})


_SERVER = {"database": _NAMES, "username": _NAMES.map("u{}".format), "password": _SECRETS}
_ENGINES = [
    {"engine": "postgresql"},
    {"engine": "postgresql", "version": "16"},
    {"engine": "mysql"},
    {"engine": "mysql", "version": "8.4"},
]
_MACHINES = [
    {},
    {"edition": "ENTERPRISE", "tier": "db-custom-4-15360"},
    {"edition": "ENTERPRISE_PLUS"},
    {"edition": "ENTERPRISE_PLUS", "tier": "db-perf-optimized-N-4"},
]
_CLOUD_SQL = _with(
    [{**engine, **machine} for engine in _ENGINES for machine in _MACHINES],
    highAvailability=st.booleans(),
    storageGb=st.integers(10, 1000),
    backupRetentionDays=st.integers(7, 30),
    logRetentionDays=st.integers(1, 7),
    insights=st.booleans(),
    flags=st.dictionaries(_NAMES, _NAMES, max_size=2),
    psc=st.just({"subnetwork": "projects/p/regions/r/subnetworks/s"}),
    restore=st.one_of(
        _block({"source": _NAMES, "pointInTime": st.just("2026-03-14T09:26:53Z")}),
        _block({"source": _NAMES, "snapshot": st.just("1740000000000")}),
    ),
    **_SERVER,
)
_GCP = _block(
    {
        "gcp": _block(
            {key: st.just(GCP["gcp"][key]) for key in ("project", "region", "network")},
            projectNumber=st.just("123456789012"),
            clusterProject=st.just("clusters-of-tests"),
            kmsKey=st.just("projects/p-of-keys/locations/europe-west3/keyRings/r/cryptoKeys/k"),
            labels=st.dictionaries(_NAMES, _NAMES, max_size=2),
        ).map(lambda facts: {"projectNumber": "123456789012", **facts}),
        # What the smallest instance grants is enough for so few.
        "database": _block({"cloudSql": _CLOUD_SQL, "poolSize": st.just(2), "maxOverflow": st.just(1)}),
        "artifacts": st.one_of(
            _block({"gcs": _block({"bucket": _NAMES})}),
            _block({"gcpBucket": _block({}, prefix=_NAMES, name=_NAMES, softDeleteDays=st.integers(7, 90))}),
        ),
        "identity": st.sampled_from([{"gcpServiceAccount": {}}, {"gcpDirect": {}}]),
    }
)


def _with_source(values: dict[str, Any]) -> dict[str, Any]:
    """A source of the same engine, whose password is known."""
    if "restore" not in values:
        return values
    product = {"postgresql": "PostgreSQL", "mysql": "MySQL"}[values["engine"]]
    source = f"/subscriptions/s/resourceGroups/g/providers/Microsoft.DBfor{product}/flexibleServers/prod"
    return {"password": "canary-password-of-the-source", **values, "restore": {"source": source, **values["restore"]}}


_FLEXIBLE_SERVER = _with(
    # Azure's SDK does not list MySQL 8.4 yet.
    [engine for engine in _ENGINES if engine.get("version") != "8.4"],
    highAvailability=st.sampled_from(["ZoneRedundant", "SameZone", "Disabled"]),
    storageGb=st.sampled_from([32, 128, 4096]),
    backupRetentionDays=st.integers(7, 35),
    geoRedundantBackup=st.booleans(),
    parameters=st.dictionaries(_NAMES, _NAMES, max_size=2),
    caCertificate=st.just(CERTIFICATE),
    restore=_block({"pointInTime": st.just("2026-03-14T09:26:53Z")}, completed=st.booleans()),
    **_SERVER,
).map(_with_source)
_AZURE = _block(
    {
        "azure": st.one_of(
            st.just({**_INJECTED, "privateEndpoint": _ENDPOINT}),
            st.just({"privateEndpoint": {**_ENDPOINT, "databaseDnsZoneId": _ENDPOINT["blobDnsZoneId"]}}),
        ).map(lambda network: {**AZURE["azure"], "delegatedSubnetId": None, "privateDnsZoneId": None, **network}),
        "database": _block(
            {"azureFlexibleServer": _FLEXIBLE_SERVER, "poolSize": st.just(2), "maxOverflow": st.just(1)}
        ),
        "artifacts": _block({"azureContainer": _block({}, prefix=_NAMES, container=_NAMES, accountName=_NAMES)}),
        "identity": st.just({"azureWorkloadIdentity": {}}),
    }
)
CLOUDS = st.one_of(_GCP, _AZURE)
"""All that is made on one cloud: its block, database, artifacts and identity."""
