"""Generated configurations: valid ones over all blocks, and mappings of anything."""

from typing import Any

from hypothesis import strategies as st

from tests.configurations import CERTIFICATE

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
WORDS = st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,8}[A-Za-z0-9])?", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=12)
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=33, max_size=40).map(
    lambda t: f"canary-{t}"
)
"""Long enough for every key, and not to be found in a message by chance."""
_VARIABLES = st.from_regex(r"X_[A-Z]{1,8}", fullmatch=True).filter(
    lambda name: "TOKEN" not in name and "SECRET" not in name
)
_LABELS = st.dictionaries(NAMES.map("example.com/{}".format), WORDS, max_size=2)


def block(required: dict[str, Any] | None = None, **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A block of keys, with any of the optional ones."""
    return st.fixed_dictionaries(required or {}, optional=optional)


def _volume(*modes: str) -> st.SearchStrategy[Any]:
    made = block({"accessMode": st.sampled_from(modes)}, sizeGb=st.integers(1, 65_536), storageClass=NAMES)
    return st.one_of(made, block({"existingClaim": NAMES}))


_TLS = st.sampled_from([{}, {"mode": "disable"}, {"mode": "require"}, {"caCertificate": CERTIFICATE}])
_POSTGRESQL = st.tuples(
    st.one_of(block({"password": SECRETS}), block({"existingSecret": block({"name": NAMES}, passwordKey=WORDS)})),
    block(
        {"host": NAMES},
        port=st.integers(1, 65_535),
        database=TEXTS,
        username=TEXTS,
        driver=st.sampled_from(["psycopg2", "psycopg"]),
        tls=_TLS,
        connectionLimit=st.integers(10_000, 100_000),
    ),
).map(lambda parts: {**parts[0], **parts[1]})
_S3 = st.tuples(
    st.one_of(
        st.just({}),
        block({"accessKeyId": SECRETS, "secretAccessKey": SECRETS}),
        block({"existingSecret": block({"name": NAMES}, accessKeyIdKey=WORDS)}),
    ),
    block(
        {"bucket": st.from_regex(r"[a-z][a-z0-9-]{1,20}[a-z]", fullmatch=True)},
        prefix=st.sampled_from(["", "a", "a/b"]),
        region=NAMES,
        endpointUrl=NAMES.map("http://{}:9000".format),
        ignoreTls=st.booleans(),
        uploadExtraArgs=st.dictionaries(WORDS, TEXTS, max_size=1),
        presigned=st.booleans(),
    ),
).map(lambda parts: {**parts[0], **parts[1]})
_SERVER = {
    "workers": st.integers(1, 4),
    "port": st.integers(1024, 65_535),
    "staticPrefix": st.sampled_from(["", "/mlflow", "/a/b"]),
    "allowedHosts": st.lists(NAMES, max_size=2),
    "corsAllowedOrigins": st.lists(NAMES.map("https://{}".format), max_size=2),
    "options": st.dictionaries(NAMES.map("x-{}".format), st.one_of(st.booleans(), st.integers(), WORDS), max_size=2),
    "env": st.dictionaries(_VARIABLES, WORDS, max_size=2),
    "secretEnv": st.dictionaries(_VARIABLES.map("Y{}".format), SECRETS, max_size=2),
    "drainSeconds": st.integers(0, 600),
    "startupTimeoutSeconds": st.integers(10, 3600),
}
_REST: dict[str, st.SearchStrategy[Any]] = {
    "namespace": NAMES,
    "createNamespace": st.booleans(),
    "image": block(
        repository=NAMES.map("registry.example.com/{}".format),
        digest=st.just("sha256:" + "0" * 64),
        pullSecrets=st.lists(NAMES, max_size=2),
    ),
    "identity": st.one_of(
        st.none(),
        block(
            {"existing": block(podLabels=_LABELS, serviceAccountAnnotations=st.dictionaries(NAMES, TEXTS, max_size=1))}
        ),
    ),
    "pod": block(
        labels=_LABELS,
        annotations=_LABELS,
        nodeSelector=_LABELS,
        runAsUser=st.integers(1, 65_535),
        tmpSize=st.just("1Gi"),
    ),
    "service": block(port=st.integers(1, 65_535)),
    "keys": block(flaskSecretKey=SECRETS, kekPassphrase=SECRETS, webhookSecretEncryptionKey=st.just("A" * 43 + "=")),
    "deletionProtection": st.booleans(),
    "labels": _LABELS,
}


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """Any valid configuration, as it stands in a stack file."""
    shared = draw(st.booleans(), label="may have several replicas")
    database = draw(
        block({"postgresql": _POSTGRESQL}) if shared else block({"sqlite": block(volume=_volume("ReadWriteOnce"))})
    )
    volume = _volume(*(["ReadWriteMany"] if shared else ["ReadWriteOnce", "ReadWriteOncePod"]))
    artifacts = draw(st.one_of(block({"volume": volume}), block({"s3": _S3}, proxied=st.booleans())))
    server = draw(block({"replicas": st.integers(0, 3 if shared else 1)}, **_SERVER))
    return {
        "database": database,
        "artifacts": artifacts,
        "server": server,
        **draw(st.fixed_dictionaries({}, optional=_REST)),
    }


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.binary(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(TEXTS, st.integers(), st.none()), inner, max_size=3)
    ),
    max_leaves=6,
)
"""What a YAML or Python value can be."""
