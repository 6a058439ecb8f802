"""Settings of resources that protect data, and how much: a rank, so that a change can be compared and a minimum demanded."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .holders import SECRET, UNKNOWN, plain_type

Rank = Callable[[Any], float]
"""How much a value protects; None stands for a setting that is left out."""


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        name: What the policy is called.
        types: Types it belongs to, as a regular expression of `plain_type`.
        path: Where it stands among the properties, dotted; empty if it takes all of them to tell.
        what: What it does, as a noun.
        rank: How much a value protects.
        fix: What to set.
        least: The rank that the policy demands.
        mandatory: Whether the policy refuses the rest, instead of advising against it.
    """

    name: str
    types: str
    path: str
    what: str
    rank: Rank
    fix: str
    least: float = 1
    mandatory: bool = True

    def of(self, token: str, properties: Mapping[str, Any]) -> float | None:
        """How much a resource is protected; None if the setting is not its, or not known yet."""
        if not re.fullmatch(self.types, plain_type(token)):
            return None
        value = value_at(properties, self.path)
        if value in (UNKNOWN, SECRET):
            return None
        try:
            return self.rank(value)
        except (AttributeError, TypeError, ValueError):  # something within it is not known yet, so it has another shape
            return None


def value_at(properties: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, None if there is none; a number in the path is a place in a list."""
    value: Any = properties
    for part in path.split(".") if path else ():
        if isinstance(value, list):
            value = value[int(part)] if part.isdigit() and int(part) < len(value) else None
        elif value != UNKNOWN:
            value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _on(default: bool = False) -> Rank:
    return lambda value: float(default if value is None else value is True or value == "true")


def _off(default: bool = False) -> Rank:
    on = _on(default)
    return lambda value: 1 - on(value)


def _number(default: float = 0) -> Rank:
    def rank(value: Any) -> float:
        try:
            return float(default if value is None else value)
        except (TypeError, ValueError):
            return default

    return rank


def _one_of(*values: str, default: str = "") -> Rank:
    """The first value protects least. Others protect not at all."""
    order = [each.lower() for each in values]

    def rank(value: Any) -> float:
        text = str(default if value is None else value).lower()
        return float(order.index(text) + 1) if text in order else 0.0

    return rank


def _none_of(*values: str) -> Rank:
    return lambda value: float(str(value).lower() not in values)


_WORLD = ("0.0.0.0/0", "::/0")


def _parameter(name: str) -> Rank:
    """Of a list of parameters of a database, where the default is the server's and not known here."""

    def rank(value: Any) -> float:
        given = {each.get("name"): str(each.get("value")).lower() for each in value or () if isinstance(each, Mapping)}
        return float(given.get(name, "1") in ("1", "on", "true"))

    return rank


def _networks(value: Any) -> float:
    return float(not any(isinstance(each, Mapping) and each.get("value") in _WORLD for each in value or ()))


def _point_in_time(value: Any) -> float:
    backups = value if isinstance(value, Mapping) else {}
    return float(any(backups.get(key) is True for key in ("pointInTimeRecoveryEnabled", "binaryLogEnabled")))


def _azure_private(properties: Mapping[str, Any]) -> float:
    network = properties.get("network") or {}
    given = network.get("publicNetworkAccess")
    return float(given == "Disabled" or (given is None and bool(network.get("delegatedSubnetResourceId"))))


def _azure_parameter(properties: Mapping[str, Any]) -> float:
    return float(
        properties.get("configurationName") != "require_secure_transport" or properties.get("value") in ("on", "ON")
    )


def _statements(document: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return
    found = document.get("Statement") if isinstance(document, Mapping) else None
    for each in found if isinstance(found, list) else [found]:
        if isinstance(each, Mapping) and each.get("Effect") == "Allow":
            yield each


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _least_privilege(document: Any) -> float:
    """0 if a statement allows everything, or everything of a service on every resource."""
    for each in _statements(document):
        actions = [str(action) for action in _several(each.get("Action"))]
        everywhere = "*" in _several(each.get("Resource"))
        if "NotAction" in each or "*" in actions or (everywhere and any(a.endswith(":*") for a in actions)):
            return 0.0
    return 1.0


def _not_for_everyone(document: Any) -> float:
    for each in _statements(document):
        who = each.get("Principal")
        anyone = [who] if isinstance(who, str) else [x for y in (who or {}).values() for x in _several(y)]
        if "*" in anyone and not each.get("Condition"):
            return 0.0
    return 1.0


def _cluster_rules(rules: Any) -> float:
    return float(
        not any("*" in (rule.get("verbs") or []) and "*" in (rule.get("resources") or []) for rule in rules or ())
    )


def _closed_ports(properties: Mapping[str, Any]) -> float:
    """0 if the whole internet may connect to anything but a web server."""
    inline = properties.get("ingress")
    for rule in inline if isinstance(inline, list) else [properties]:
        if not isinstance(rule, Mapping):
            continue
        sources = [
            rule.get("cidrIpv4"),
            rule.get("cidrIpv6"),
            *_list(rule, "cidrBlocks"),
            *_list(rule, "ipv6CidrBlocks"),
        ]
        web = rule.get("fromPort") == rule.get("toPort") and rule.get("toPort") in (80, 443)
        if not web and any(source in _WORLD for source in sources):
            return 0.0
    return 1.0


def _list(rule: Mapping[str, Any], key: str) -> list[Any]:
    found = rule.get(key)
    return found if isinstance(found, list) else []


def _pod(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = properties.get("spec") or {}
    spec = ((spec.get("jobTemplate") or {}).get("spec") or spec) if isinstance(spec, Mapping) else {}
    return (spec.get("template") or {}).get("spec") or spec


def _reaches_its_node(pod: Mapping[str, Any]) -> bool:
    hosts = any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))
    return hosts or any(isinstance(each, Mapping) and each.get("hostPath") for each in _list(pod, "volumes"))


def _containers(pod: Mapping[str, Any]) -> list[Any]:
    return [*_list(pod, "containers"), *_list(pod, "initContainers")]


def _restricted(properties: Mapping[str, Any]) -> float:
    """Whether pods keep to what Pod Security calls restricted: https://kubernetes.io/docs/concepts/security/pod-security-standards/."""
    pod = _pod(properties)
    if _reaches_its_node(pod):
        return 0.0
    whole = pod.get("securityContext") or {}
    for container in _containers(pod):
        own = container.get("securityContext") or {}
        seccomp = (own.get("seccompProfile") or whole.get("seccompProfile") or {}).get("type")
        if (
            own.get("privileged")
            or own.get("allowPrivilegeEscalation") is not False
            or own.get("runAsNonRoot", whole.get("runAsNonRoot")) is not True
            or "ALL" not in ((own.get("capabilities") or {}).get("drop") or ())
            or seccomp not in ("RuntimeDefault", "Localhost")
        ):
            return 0.0
    return 1.0


def _privileged(properties: Mapping[str, Any]) -> float:
    """Whether pods keep to what Pod Security calls baseline, as far as it matters most."""
    pod = _pod(properties)
    if _reaches_its_node(pod):
        return 0.0
    return float(not any((each.get("securityContext") or {}).get("privileged") for each in _containers(pod)))


def _encrypted_way_in(properties: Mapping[str, Any]) -> float:
    annotations = (properties.get("metadata") or {}).get("annotations") or {}
    # A load balancer of a cloud that has the certificate itself.
    elsewhere = (
        "alb.ingress.kubernetes.io/certificate-arn",
        "networking.gke.io/managed-certificates",
        "ingress.gcp.kubernetes.io/pre-shared-cert",
        "appgw.ingress.kubernetes.io/appgw-ssl-certificate",
    )
    return float(bool((properties.get("spec") or {}).get("tls")) or any(each in annotations for each in elsewhere))


_RDS, _RDS_ALL = r"aws:rds:(Instance|Cluster)", r"aws:rds:(Instance|Cluster|ClusterInstance)"
_CLOUD_SQL, _GCS = r"gcp:sql:DatabaseInstance", r"gcp:storage:Bucket"
_FLEXIBLE, _ACCOUNT = r"azure-native:dbfor(postgresql|mysql):Server", r"azure-native:storage:StorageAccount"
_BLOCK, _BLOBS = r"aws:s3:BucketPublicAccessBlock", r"azure-native:storage:BlobServiceProperties"
_PODS = r"kubernetes:(apps|batch|core):(Deployment|StatefulSet|DaemonSet|ReplicaSet|Job|CronJob|Pod)"
_IPS, _BACKUP = "settings.ipConfiguration", "settings.backupConfiguration"
_KEEP_ON, _TURN_ON = "Leave `deletionProtection` on.", "Turn it on."

SETTINGS: tuple[Setting, ...] = (
    # AWS
    Setting("aws-database-deletion-protection", _RDS, "deletionProtection", "deletion protection", _on(), _KEEP_ON),
    Setting("aws-database-encrypted", _RDS, "storageEncrypted", "encryption at rest", _on(), _TURN_ON),
    Setting("aws-database-private", _RDS_ALL, "publiclyAccessible", "the database's private address", _off(), "Set it to false."),
    Setting("aws-database-backups", r"aws:rds:Instance", "backupRetentionPeriod", "days of backups", _number(), "Keep at least 7 days.", 7),
    Setting("aws-cluster-backups", r"aws:rds:Cluster", "backupRetentionPeriod", "days of backups", _number(1), "Keep at least 7 days.", 7),
    Setting("aws-database-final-snapshot", _RDS, "skipFinalSnapshot", "the final snapshot", _off(), "Set it to false, and name the snapshot."),
    Setting("aws-database-kept-backups", _RDS, "deleteAutomatedBackups", "backups that outlive the database", _off(True), "Set it to false.", mandatory=False),
    Setting("aws-database-tls", r"aws:rds:(Cluster)?ParameterGroup", "parameters", "TLS (rds.force_ssl)", _parameter("rds.force_ssl"), "Set the parameter to 1."),
    Setting("aws-mysql-tls", r"aws:rds:(Cluster)?ParameterGroup", "parameters", "TLS (require_secure_transport)", _parameter("require_secure_transport"), "Set the parameter to 1."),
    *(
        Setting(f"aws-bucket-{name}", _BLOCK, path, "the block of public access", _on(), "Set it to true.")
        for name, path in (
            ("public-acls", "blockPublicAcls"),
            ("ignored-acls", "ignorePublicAcls"),
            ("public-policies", "blockPublicPolicy"),
            ("restricted", "restrictPublicBuckets"),
        )
    ),
    Setting("aws-bucket-versions", r"aws:s3:BucketVersioning", "versioningConfiguration.status", "versions of objects", _one_of("Enabled"), "Set it to Enabled."),
    Setting("aws-bucket-encrypted", r"aws:s3:BucketServerSideEncryptionConfiguration", "rules.0.applyServerSideEncryptionByDefault.sseAlgorithm", "encryption with a key of one's own", _one_of("AES256", "aws:kms", "aws:kms:dsse"), "Set it to aws:kms."),
    Setting("aws-bucket-kept", r"aws:s3:Bucket", "forceDestroy", "the refusal to delete a bucket with objects in it", _off(), "Set it to false."),
    Setting("aws-bucket-acl", r"aws:s3:Bucket(Acl)?", "acl", "the bucket's privacy", _none_of("public-read", "public-read-write", "authenticated-read"), "Set it to private."),
    Setting("aws-bucket-policy", r"aws:s3:BucketPolicy", "policy", "the bucket's privacy", _not_for_everyone, "Name the principals, or add a condition."),
    Setting("aws-key-enabled", r"aws:kms:Key", "isEnabled", "use of the key", _on(True), "Set it to true."),
    Setting("aws-key-deletion", r"aws:kms:Key", "deletionWindowInDays", "days in which the deletion of the key can be taken back", _number(30), "Leave 30 days.", 7),
    Setting("aws-key-rotation", r"aws:kms:Key", "enableKeyRotation", "rotation of the key", _on(), _TURN_ON, mandatory=False),
    Setting("aws-iam-wildcards", r"aws:iam:(Policy|RolePolicy|UserPolicy|GroupPolicy)", "policy", "least privilege", _least_privilege, "Name actions and resources."),
    Setting("aws-ports", r"aws:(ec2:SecurityGroup|vpc:SecurityGroupIngressRule)", "", "ports closed to the internet", _closed_ports, "Name the networks or security groups that connect."),
    # Google Cloud
    Setting("gcp-database-deletion-protection", _CLOUD_SQL, "deletionProtection", "deletion protection", _on(True), _KEEP_ON),
    Setting("gcp-database-api-protection", _CLOUD_SQL, "settings.deletionProtectionEnabled", "deletion protection against other tools than Pulumi", _on(), _TURN_ON, mandatory=False),
    Setting("gcp-database-backups", _CLOUD_SQL, f"{_BACKUP}.enabled", "backups", _on(), _TURN_ON),
    Setting("gcp-database-retention", _CLOUD_SQL, f"{_BACKUP}.backupRetentionSettings.retainedBackups", "number of backups", _number(7), "Keep at least 7.", 7),
    Setting("gcp-database-point-in-time", _CLOUD_SQL, _BACKUP, "point-in-time recovery", _point_in_time, "Turn `pointInTimeRecoveryEnabled` on, with MySQL `binaryLogEnabled`.", mandatory=False),
    Setting("gcp-database-private", _CLOUD_SQL, f"{_IPS}.ipv4Enabled", "the database's private address", _off(True), "Set it to false."),
    Setting("gcp-database-networks", _CLOUD_SQL, f"{_IPS}.authorizedNetworks", "a database closed to the internet", _networks, "Name the networks that connect."),
    Setting("gcp-database-tls", _CLOUD_SQL, f"{_IPS}.sslMode", "TLS", _one_of("ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"), "Set it to ENCRYPTED_ONLY."),
    Setting("gcp-bucket-private", _GCS, "publicAccessPrevention", "the bucket's privacy", _one_of("enforced"), "Set it to enforced."),
    Setting("gcp-bucket-uniform", _GCS, "uniformBucketLevelAccess", "access by IAM alone", _on(), "Set it to true."),
    Setting("gcp-bucket-versions", _GCS, "versioning.enabled", "versions of objects", _on(), _TURN_ON),
    Setting("gcp-bucket-soft-delete", _GCS, "softDeletePolicy.retentionDurationSeconds", "seconds in which deleted objects come back", _number(604800), "Leave at least a week.", 604800, mandatory=False),
    Setting("gcp-bucket-kept", _GCS, "forceDestroy", "the refusal to delete a bucket with objects in it", _off(), "Set it to false."),
    Setting("gcp-iam-everyone", r"gcp:\w+:\w*IAM(Member|Binding)", "", "access for named members alone", lambda p: float(not {"allUsers", "allAuthenticatedUsers"} & {p.get("member"), *_list(p, "members")}), "Name the members."),
    Setting("gcp-iam-basic-roles", r"gcp:(projects|folder|organizations):IAM(Member|Binding)", "role", "least privilege", _none_of("roles/owner", "roles/editor"), "Grant a role of the service that is used."),
    # Azure
    Setting("azure-database-backups", _FLEXIBLE, "backup.backupRetentionDays", "days of backups", _number(7), "Keep at least 7 days.", 7),
    Setting("azure-database-private", _FLEXIBLE, "", "the database's private address", _azure_private, "Set `network.publicNetworkAccess` to Disabled, or delegate a subnet."),
    Setting("azure-database-tls", r"azure-native:dbfor(postgresql|mysql):Configuration", "", "TLS (require_secure_transport)", _azure_parameter, "Set the parameter to on."),
    Setting("azure-bucket-private", _ACCOUNT, "allowBlobPublicAccess", "the containers' privacy", _off(), "Set it to false."),
    Setting("azure-bucket-tls", _ACCOUNT, "enableHttpsTrafficOnly", "TLS", _on(True), "Set it to true."),
    Setting("azure-bucket-tls-version", _ACCOUNT, "minimumTlsVersion", "versions of TLS", _one_of("TLS1_0", "TLS1_1", "TLS1_2", "TLS1_3", default="TLS1_0"), "Set it to TLS1_2.", 3),
    Setting("azure-bucket-keys", _ACCOUNT, "allowSharedKeyAccess", "access by identity alone", _off(True), "Set it to false.", mandatory=False),
    Setting("azure-bucket-network", _ACCOUNT, "publicNetworkAccess", "the account's private address", _one_of("Disabled", "SecuredByPerimeter"), "Set it to Disabled, with a private endpoint.", mandatory=False),
    Setting("azure-container-private", r"azure-native:storage:BlobContainer", "publicAccess", "the container's privacy", _none_of("blob", "container"), "Set it to None."),
    Setting("azure-bucket-versions", _BLOBS, "isVersioningEnabled", "versions of objects", _on(), _TURN_ON),
    Setting("azure-bucket-soft-delete", _BLOBS, "deleteRetentionPolicy.enabled", "the return of deleted objects", _on(), _TURN_ON),
    Setting("azure-bucket-soft-delete-days", _BLOBS, "deleteRetentionPolicy.days", "days in which deleted objects come back", _number(), "Leave at least 7.", 7, mandatory=False),
    Setting("azure-container-soft-delete", _BLOBS, "containerDeleteRetentionPolicy.enabled", "the return of deleted containers", _on(), _TURN_ON, mandatory=False),
    Setting("azure-vault-purge", r"azure-native:keyvault:Vault", "properties.enablePurgeProtection", "the return of deleted keys", _on(), _TURN_ON),
    Setting("azure-iam-broad-roles", r"azure-native:authorization:RoleAssignment", "roleDefinitionId", "least privilege", lambda value: float(not str(value).lower().endswith(("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "b24988ac-6180-42a0-ab88-20f7382dd24c"))), "Assign a role of the service that is used, not Owner or Contributor."),
    # Kubernetes
    Setting("kubernetes-no-host-access", _PODS, "", "pods kept from their node", _privileged, "Leave out privileged containers, the host's namespaces and hostPath."),
    Setting("kubernetes-restricted-pods", _PODS, "", "restricted pods", _restricted, "Set runAsNonRoot, seccompProfile RuntimeDefault, allowPrivilegeEscalation: false and drop all capabilities.", mandatory=False),
    Setting("kubernetes-rbac-wildcards", r"kubernetes:rbac\.authorization\.k8s\.io:(Cluster)?Role", "rules", "least privilege", _cluster_rules, "Name verbs and resources."),
    Setting("kubernetes-ingress-tls", r"kubernetes:(networking\.k8s\.io|extensions):Ingress", "", "TLS", _encrypted_way_in, "Set `spec.tls`, or the annotation that gives the load balancer its certificate."),
)  # fmt: skip
"""All of them. Properties and defaults are those of the providers' schemas: https://www.pulumi.com/registry/."""

GUARDS: Mapping[str, str] = {
    r"aws:s3:BucketPublicAccessBlock": "the block of public access",
    r"aws:s3:BucketVersioning": "versions of objects",
    r"aws:s3:BucketServerSideEncryptionConfiguration": "encryption with a key of one's own",
    r"aws:s3:BucketPolicy": "the refusal of requests without TLS",
    r"azure-native:authorization:ManagementLock\w*": "the lock against deletion",
    r"azure-native:storage:BlobServiceProperties": "versions and the return of deleted objects",
    r"kubernetes:networking\.k8s\.io:NetworkPolicy": "the limits of who may connect",
}
"""Resources that protect by being there, as regular expressions of their plain type."""
