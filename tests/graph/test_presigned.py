"""Presigned URLs name hosts that clients can use: MLflow's own class for the store signs them with the environment of the rendered pods."""

import itertools
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSResponse
from botocore.httpsession import URLLib3Session
from mlflow.store.artifact import s3_artifact_repo
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

from tests.configurations import AWS, PRODUCTION, changed
from tests.graph.invariants import server_container
from tests.graph.program import deploy

REGIONS = {
    **dict.fromkeys(
        ["us-east-1", "us-west-2", "eu-central-1", "ca-west-1", "il-central-1", "ap-southeast-5", "mx-central-1"],
        "amazonaws.com",
    ),
    **dict.fromkeys(["cn-north-1", "cn-northwest-1"], "amazonaws.com.cn"),
    **dict.fromkeys(["us-gov-west-1", "us-gov-east-1"], "amazonaws.com"),
}
"""Regions of three partitions, the newest ones included, and the domain of each."""
_STARTED = b"<InitiateMultipartUploadResult><UploadId>upload</UploadId></InitiateMultipartUploadResult>"


class _Answer(BytesIO):
    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.getvalue()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every request that the store's class makes itself; all are answered."""
    urls: list[str] = []

    def send(_: Any, request: Any) -> AWSResponse:
        urls.append(request.url)
        return AWSResponse(request.url, 200, {"Content-Length": "0"}, _Answer(_STARTED))

    monkeypatch.setattr(URLLib3Session, "send", send)
    return urls


def _environment(configuration: Mapping[str, Any]) -> dict[str, Any]:
    return {each["name"]: each.get("value") for each in server_container(deploy(configuration))["env"]}


def _urls(environment: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """URLs for a download, an upload and the parts of one, as pods with this environment make them."""
    keys = {"AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST", "AWS_SECRET_ACCESS_KEY": "secret-of-nobody"}
    for name in ("AWS_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    for name, value in {**environment, **keys}.items():
        if value is not None and name.startswith(("AWS_", "MLFLOW_S3_", "MLFLOW_BOTO_")):
            monkeypatch.setenv(name, value)
    # A server has one environment for its life, of which MLflow keeps what it has read.
    s3_artifact_repo._cached_get_s3_client.cache_clear()
    store = S3ArtifactRepository(f"{environment['MLFLOW_ARTIFACTS_DESTINATION']}/1/run/artifacts")
    parts = store.create_multipart_upload("weights.bin", num_parts=2).credentials
    return [
        store.get_download_presigned_url("weights.bin").url,
        store.create_presigned_upload_url("weights.bin").presigned_url,
        *(part.url for part in parts),
    ]


def _places(urls: list[str]) -> set[tuple[str, str]]:
    """Host, and first part of the path."""
    split = [urlsplit(url) for url in urls]
    return {(parts.netloc, parts.path.split("/")[1]) for parts in split}


@pytest.fixture(scope="module")
def in_a_region() -> dict[str, Any]:
    """The environment of pods whose bucket is on AWS."""
    store = {"bucket": "models", "region": "us-east-1", "prefix": "prod"}
    environment = _environment(changed(PRODUCTION, "artifacts.s3", store))
    assert environment["AWS_DEFAULT_REGION"] == "us-east-1"
    assert environment["MLFLOW_ARTIFACTS_DESTINATION"] == "s3://models/prod"
    return environment


@pytest.mark.parametrize(("region", "bucket"), list(itertools.product(REGIONS, ["models", "models.example.com"])))
def test_urls_name_the_host_of_the_region(
    region: str, bucket: str, in_a_region: dict[str, Any], monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    where = {"AWS_DEFAULT_REGION": region, "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{bucket}/prod"}
    urls = _urls({**in_a_region, **where}, monkeypatch)
    host = f"s3.{region}.{REGIONS[region]}"
    # No certificate covers a host with more labels.
    expected = (host, bucket) if "." in bucket else (f"{bucket}.{host}", "prod")
    assert len(urls) == 4 and asked
    assert _places([*urls, *asked]) == {expected}
    assert all(f"%2F{region}%2Fs3%2Faws4_request" in url for url in urls)


def test_a_bucket_that_is_made_is_one_of_its_region(monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> None:
    urls = _urls(_environment(AWS), monkeypatch)
    assert _places([*urls, *asked]) == {("mlflow-artifacts-1a2b3c4.s3.eu-central-1.amazonaws.com", "prod")}


@pytest.mark.parametrize(
    ("variable", "host"),
    [
        ("AWS_USE_FIPS_ENDPOINT", "models.s3-fips.us-east-1.amazonaws.com"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "models.s3.dualstack.us-east-1.amazonaws.com"),
    ],
)
def test_other_endpoints_of_a_region_can_be_asked_for(
    variable: str, host: str, in_a_region: dict[str, Any], monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    urls = _urls({**in_a_region, variable: "true"}, monkeypatch)
    assert {urlsplit(url).netloc for url in (*urls, *asked)} == {host}


@pytest.mark.parametrize(
    ("style", "place"),
    [("path", ("objects.example.com:9000", "models")), ("virtual", ("models.objects.example.com:9000", "1"))],
)
def test_an_own_endpoint_is_named_as_it_was_given(
    style: str, place: tuple[str, str], monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    more = {"addressingStyle": style, "presigned": True}
    configuration = changed(PRODUCTION, "artifacts.s3", {**PRODUCTION["artifacts"]["s3"], **more})
    urls = _urls(_environment(configuration), monkeypatch)
    assert _places([*urls, *asked]) == {place}
