"""Print temporary credentials of an Alibaba Cloud RAM role for AWS's client library. Runs inside the MLflow image.

The library runs this as its `credential_process` (https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html),
again before the credentials expire. ACK's webhook gives the pod the role and a token of its ServiceAccount
(https://www.alibabacloud.com/help/en/ack/ack-managed-and-ack-dedicated/user-guide/use-rrsa-to-authorize-pods-to-access-different-cloud-services).
The call that exchanges the token needs no signature.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

NAMES = ("ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE")


def main() -> int:
    missing = [name for name in NAMES if not os.environ.get(name)]
    if missing:
        print(f"the pod has no RAM role: {', '.join(missing)} not set; see identity.alibabaRam", file=sys.stderr)
        return 1
    role, provider, token_file = (os.environ[name] for name in NAMES)
    form = {
        "Action": "AssumeRoleWithOIDC",
        "Format": "JSON",
        "Version": "2015-04-01",
        "Timestamp": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "SignatureNonce": uuid.uuid4().hex,
        "RoleArn": role,
        "OIDCProviderArn": provider,
        "OIDCToken": Path(token_file).read_text(encoding="ascii"),
        "RoleSessionName": "mlflow",
        "DurationSeconds": "3600",
    }
    endpoint = os.environ.get("ALIBABA_CLOUD_STS_ENDPOINT", "https://sts.aliyuncs.com")
    request = urllib.request.Request(endpoint, urllib.parse.urlencode(form).encode())  # noqa: S310 - the operator's own URL
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            keys = json.load(answer)["Credentials"]
    except urllib.error.HTTPError as error:
        print(f"{endpoint} answered {error.code}: {error.read().decode(errors='replace')[:500]}", file=sys.stderr)
        return 1
    json.dump(
        {
            "Version": 1,
            "AccessKeyId": keys["AccessKeyId"],
            "SecretAccessKey": keys["AccessKeySecret"],
            "SessionToken": keys["SecurityToken"],
            "Expiration": keys["Expiration"],
        },
        sys.stdout,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
