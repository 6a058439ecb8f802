"""The kinds of deployment that there are."""

from collections.abc import Mapping
from typing import Any

from tests.configurations import AWS, AWS_FACTS, AZURE, CERTIFICATE, DEV, GCP, PRODUCTION, with_changes

CANARIES = {
    "database.postgresql.password": "canary-password-'\"$%@:/",
    "artifacts.s3.accessKeyId": "canary-access-key-id",
    "artifacts.s3.secretAccessKey": "canary-secret-access-key",
    "server.secretEnv": {"X_SECRET": "canary-environment"},
    "keys.flaskSecretKey": "canary-flask",
    "keys.kekPassphrase": "canary-passphrase-of-32-characters-or-more",
    "keys.webhookSecretEncryptionKey": "canary-" + "A" * 36 + "=",
}
"""A value for every secret, to be found again nowhere but in Secrets."""

CONTAINER = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/data/providers/Microsoft.Storage"
    "/storageAccounts/models/blobServices/default/containers/mlflow"
)
"""A container that exists."""

OBJECTS: Mapping[str, Any] = {
    "bucket": "backups",
    "endpointUrl": "https://objects.example.com:9000",
    "caCertificate": CERTIFICATE,
    "accessKeyId": "canary-id-of-backups",
    "secretAccessKey": "canary-key-of-backups",
}
"""A bucket of another service for backups."""

SCENARIOS: Mapping[str, Mapping[str, Any]] = {
    "sqlite": DEV,
    "basic-auth": with_changes(
        PRODUCTION,
        {"auth": {"basic": {"adminPassword": "canary-administrator"}, "defaultPermission": "NO_PERMISSIONS"}},
    ),
    "basic-auth-own-database": with_changes(
        DEV,
        {
            "auth": {
                "basic": {"existingSecret": {"name": "administrator", "usernameKey": "name"}},
                "database": {
                    "mysql": {
                        "host": "db.example.com",
                        "existingSecret": {"name": "users-login"},
                        "tls": {"caCertificate": CERTIFICATE},
                    }
                },
            }
        },
    ),
    "ldap": with_changes(
        PRODUCTION,
        {
            "auth": {
                "ldap": {
                    "uri": "ldaps://ldap.example.com",
                    "userDn": "uid=%s,ou=people,dc=example,dc=com",
                    "userGroup": "cn=mlflow-users,ou=groups,dc=example,dc=com",
                    "adminGroup": "cn=mlflow-admins,ou=groups,dc=example,dc=com",
                    "tls": {"existingSecret": {"name": "directory-ca"}},
                }
            },
            "server.staticPrefix": "/mlflow",
        },
    ),
    "oidc": with_changes(
        PRODUCTION,
        {
            "auth": {
                "oidc": {
                    "issuerUrl": "https://id.example.com/realms/main",
                    "redirectUrl": "https://mlflow.example.com/oauth2/callback",
                    "clientId": "mlflow",
                    "clientSecret": "canary-of-client",
                    "tls": {"existingSecret": {"name": "authority"}},
                    "allowedGroups": ["data-science"],
                    "adminGroups": ["platform"],
                }
            }
        },
    ),
    "own-application": with_changes(
        PRODUCTION,
        {
            "auth": {
                "app": {
                    "name": "ours",
                    "existingConfig": {"name": "settings"},
                    "existingSecret": {"name": "robot"},
                }
            },
            "image.repository": "registry.example.com/mlflow-ours",
            "garbageCollection": {},
        },
    ),
    "postgresql-s3": PRODUCTION,
    "upgrades-itself": with_changes(
        PRODUCTION,
        {"upgrade": {"mode": "automatic", "withoutBackup": True}, "garbageCollection": {}, "networkPolicy": {}},
    ),
    "backup": with_changes(DEV, {"backup": {"destination": {"volume": {}}}}),
    "backup-postgresql": with_changes(
        PRODUCTION,
        {
            "backup": {
                "destination": {
                    "s3": {
                        "bucket": "backups",
                        "region": "eu-central-1",
                        "accessKeyId": "id",
                        "secretAccessKey": "canary-key",
                    }
                },
                "password": "canary-password-of-backups",
            },
            "monitoring": {"prometheus": True, "alerts": {}},
        },
    ),
    "backup-mysql": with_changes(
        PRODUCTION,
        {
            "database": {"inClusterMysql": {}},
            "artifacts": {"nfs": {"server": "10.9.0.1", "path": "/a"}},
            "backup": {
                "destination": {
                    "sftp": {
                        "host": "vault.example.com",
                        "username": "mlflow",
                        "knownHosts": "vault.example.com ssh-ed25519 AAAA",
                        "existingSecret": {"name": "vault", "privateKeyKey": "id"},
                    }
                },
                "existingSecret": {"name": "backup-password"},
                "drill": None,
            },
        },
    ),
    "backup-continuous": with_changes(
        DEV,
        {
            "auth": {"basic": {}},
            "backup": {
                "destination": {"s3": OBJECTS},
                "continuous": {},
            },
            "monitoring": {"prometheus": True, "serviceMonitor": {}, "alerts": {}},
        },
    ),
    "backup-continuous-postgresql": with_changes(
        PRODUCTION,
        {
            "database": {"inClusterPostgresql": {}},
            "backup": {
                "destination": {"s3": OBJECTS},
                "artifacts": "copied",
                "continuous": {},
            },
            "networkPolicy": {},
            "monitoring": {"prometheus": True, "serviceMonitor": {}, "alerts": {}},
        },
    ),
    "existing-claims": with_changes(
        DEV, {"database.sqlite.volume": {"existingClaim": "old-db"}, "artifacts.volume": {"existingClaim": "old-files"}}
    ),
    "one-claim": with_changes(
        DEV,
        {
            "database.sqlite.volume": {"existingClaim": "mlflow-pvc", "subPath": "database"},
            "artifacts.volume": {"existingClaim": "mlflow-pvc", "subPath": "artifacts"},
            "garbageCollection": {},
        },
    ),
    "existing-secrets": with_changes(
        PRODUCTION,
        {
            "database.postgresql": {"host": "db", "existingSecret": {"name": "db-login", "usernameKey": "user"}},
            "artifacts.s3": {"bucket": "models", "region": "eu-central-1", "existingSecret": {"name": "bucket-keys"}},
        },
    ),
    "static-prefix": with_changes(
        DEV,
        {"server.staticPrefix": "/team/mlflow", "server.allowedHosts": ["mlflow.example.com"], "service.port": 8080},
    ),
    "own-namespace": with_changes(DEV, {"namespace": "team-a", "createNamespace": False, "deletionProtection": True}),
    "own-keys": with_changes(PRODUCTION, CANARIES),
    "verified-database-direct-artifacts": with_changes(
        PRODUCTION, {"database.postgresql.tls.caCertificate": CERTIFICATE, "artifacts.proxied": False}
    ),
    "cloud-identity": with_changes(
        PRODUCTION,
        {
            "artifacts.s3": {"bucket": "models", "region": "eu-central-1"},
            "identity.existing.serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"},
            "identity.existing.podLabels": {"azure.workload.identity/use": "true"},
            "labels": {"team": "a"},
        },
    ),
    "artifacts-only": with_changes(
        PRODUCTION,
        {
            "database": {"none": {}},
            "artifacts.s3": {"bucket": "models", "region": "eu-central-1"},
            "server.artifactsOnly": True,
        },
    ),
    "minio": with_changes(DEV, {"artifacts": {"minio": {}}}),
    "keys-in-files": with_changes(
        PRODUCTION,
        {
            "artifacts": {
                "sftp": {
                    "host": "files.example.com",
                    "username": "mlflow",
                    "knownHosts": "files.example.com ssh-ed25519 AAAA",
                    "privateKey": "-----BEGIN RSA PRIVATE KEY-----\ncanary-private-key",
                }
            }
        },
    ),
    "nfs": with_changes(PRODUCTION, {"artifacts": {"nfs": {"server": "nfs.example.com", "path": "/exports/mlflow"}}}),
    "mysql": with_changes(
        PRODUCTION,
        {
            "database": {
                "mysql": {
                    "host": "db.example.com",
                    "password": "canary-password-'\"$%@:/",
                    "tls": {"caCertificate": CERTIFICATE},
                },
                "registry": {"value": "postgresql+psycopg2://u:canary@registry.example.com/models"},
            }
        },
    ),
    "mysql-existing-secret": with_changes(
        PRODUCTION,
        {"database": {"mysql": {"host": "fd00::5", "existingSecret": {"name": "db-login", "usernameKey": "user"}}}},
    ),
    "sql-server": with_changes(
        PRODUCTION,
        {
            "database": {
                "sqlServer": {
                    "host": "db.example.com",
                    "existingSecret": {"name": "db-login", "usernameKey": "user"},
                    "tls": {"caCertificate": CERTIFICATE},
                }
            },
            "auth": {"basic": {}},
        },
    ),
    "mssql": with_changes(
        PRODUCTION, {"database": {"mssql": {"value": "mssql+pymssql://mlflow:canary@db.example.com/mlflow"}}}
    ),
    "database-uri": with_changes(PRODUCTION, {"database": {"uri": {"existingSecret": {"name": "db", "key": "url"}}}}),
    "published": with_changes(
        PRODUCTION,
        {
            "server.staticPrefix": "/mlflow",
            "service": {"extraPorts": [{"name": "proxy", "port": 4180, "targetPort": 4181}], "labels": {"a": "b"}},
            "serviceAccount": {"name": "mlflow-runner", "annotations": {"example.com/role": "a"}},
            "rbac": {
                "rules": [{"resources": ["pods"], "verbs": ["get", "list"]}],
                "clusterRules": [{"nonResourceUrls": ["/healthz"], "verbs": ["get"]}],
            },
            "ingress": {
                "className": "nginx",
                "annotations": {"cert-manager.io/cluster-issuer": "letsencrypt"},
                "hosts": [
                    {"host": "mlflow.example.com"},
                    {"host": "docs.example.com", "paths": [{"path": "/docs", "serviceName": "docs", "servicePort": 8}]},
                ],
                "tls": [{"secretName": "mlflow-certificate"}],
            },
            "route": {
                "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https"}],
                "hostnames": ["*.ml.example.com"],
                "timeouts": {"request": "1h"},
            },
            "networkPolicy": {
                "allowNamespaces": ["ingress-nginx", "monitoring"],
                "allowPods": [{"namespaceLabels": {"team": "a"}, "podLabels": {"role": "notebook"}}],
                "databaseCidrs": ["10.1.0.0/24"],
                "egress": [{"cidrs": ["192.0.2.0/24"], "ports": [443]}],
            },
            "monitoring": {
                "prometheus": True,
                "serviceMonitor": {"namespace": "monitoring", "labels": {"release": "prometheus"}, "interval": "15s"},
                "dashboard": {"annotations": {"grafana_folder": "ML"}},
                "alerts": {"configMap": True, "alertLabels": {"team": "ml"}},
            },
            "garbageCollection": {"schedule": "30 2 * * sat", "timeZone": "Europe/Berlin", "olderThan": "14d"},
            "allowInsecure": True,
        },
    ),
    "existing-account": with_changes(
        DEV,
        {
            "serviceAccount": {"create": False, "name": "robot"},
            "networkPolicy": {"allowSameNamespace": False},
        },
    ),
    "created-database": with_changes(
        PRODUCTION,
        {
            "database": {
                "postgresql": {
                    "host": "db.example.com",
                    "tls": {"caCertificate": CERTIFICATE},
                    "create": {"username": "master", "existingSecret": {"name": "db-master"}},
                }
            }
        },
    ),
    "created-database-secrets-store": with_changes(
        PRODUCTION,
        {
            "database": {
                "mysql": {
                    "host": "db.example.com",
                    "create": {"secretsStore": {"aws": {"secret": "rds!db-1", "usernameKey": "username"}}},
                }
            }
        },
    ),
    "in-cluster-postgresql": with_changes(
        PRODUCTION, {"database": {"inClusterPostgresql": {}}, "deletionProtection": True}
    ),
    "in-cluster-mysql": with_changes(
        DEV,
        {
            "database": {
                "inClusterMysql": {
                    "volume": {"existingClaim": "old-db"},
                    "password": "of-the-old-db",
                    "memoryLimit": "2Gi",
                }
            }
        },
    ),
    "shared-volume": with_changes(
        PRODUCTION, {"artifacts": {"volume": {"accessMode": "ReadWriteMany"}}, "database.postgresql.driver": "psycopg"}
    ),
    "aws-rds": AWS,
    "aws-aurora-serverless": with_changes(
        AWS,
        {
            "database": {"aurora": {"engine": "postgresql", "serverlessV2": {}, "tls": {"caCertificate": CERTIFICATE}}},
            "identity": {"podIdentity": {}},
            "aws.kmsKeyArn": "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "artifacts.awsBucket.accessLogs": {"bucket": "logs"},
        },
    ),
    "aws-aurora-provisioned": with_changes(
        AWS,
        {
            "database": {
                "aurora": {
                    "engine": "postgresql",
                    "provisioned": {},
                    "monitoring": {"intervalSeconds": 0},
                    "instances": 1,
                }
            },
            "aws.clusterSecurityGroupIds": ["sg-0123456789abcdef0", "sg-0123456789abcdef1"],
            "deletionProtection": False,
        },
    ),
    "aws-role-for-existing-stores": with_changes(
        PRODUCTION,
        {
            "artifacts.s3": {"bucket": "models", "prefix": "prod", "region": "eu-central-1"},
            "identity": {"irsa": {}},
            "aws": AWS_FACTS,
        },
    ),
    "alibaba-role": with_changes(PRODUCTION, {"identity.alibabaRam": {"roleName": "mlflow"}}),
    "autoscaled": with_changes(
        PRODUCTION,
        {
            "server.replicas": 1,
            "autoscaling": {"minReplicas": 2, "maxReplicas": 6, "behavior": {"scaleUp": {"selectPolicy": "Max"}}},
            "names": {"service": "tracking", "deployment": "tracking"},
            "keys.existingSecret": {"name": "own-keys", "kekPassphraseKey": "kek"},
        },
    ),
    "everything-of-a-pod": with_changes(
        DEV,
        {
            "server.tls": {"existingSecret": {"name": "mlflow-tls", "caKey": "ca.crt"}},
            "server.workspaces": {},
            "server.envFrom": [{"secret": "variables"}],
            "service.port": 443,
            "pod.containers": [{"name": "extra-log", "image": "registry.example.com/log:1"}],
            "overrides": {"Deployment/server": {"metadata": {"annotations": {"reloader.example.com/auto": "true"}}}},
            "extraObjects": [
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "notes"}, "immutable": True},
                {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "login"}},
            ],
        },
    ),
    "gcp": GCP,
    "gcp-private-service-connect-direct": with_changes(
        GCP,
        {
            "gcp.projectNumber": "123456789012",
            "gcp.clusterProject": "clusters-of-tests",
            "gcp.kmsKey": "projects/p-of-keys/locations/europe-west3/keyRings/r/cryptoKeys/k",
            "database.cloudSql": {
                "edition": "ENTERPRISE_PLUS",
                "psc": {"subnetwork": "projects/clusters-of-tests/regions/europe-west3/subnetworks/endpoints"},
                "password": "canary-password-of-cloud-sql",
            },
            "identity": {"gcpDirect": {}},
        },
    ),
    "gcp-mysql-existing-bucket": with_changes(
        GCP, {"database.cloudSql": {"engine": "mysql"}, "artifacts": {"gcs": {"bucket": "models", "prefix": "team/a"}}}
    ),
    "azure": AZURE,
    "azure-private-endpoints": with_changes(
        AZURE,
        {
            "azure.delegatedSubnetId": None,
            "azure.privateDnsZoneId": None,
            "azure.privateEndpoint.databaseDnsZoneId": AZURE["azure"]["privateDnsZoneId"],
            "database.azureFlexibleServer.password": "canary-password-of-azure",
            "deletionProtection": False,
        },
    ),
    "azure-mysql-existing-container": with_changes(
        AZURE,
        {
            "azure.privateEndpoint": None,
            "azure.privateDnsZoneId": AZURE["azure"]["privateDnsZoneId"].replace("postgres", "mysql"),
            "database.azureFlexibleServer": {"engine": "mysql"},
            "artifacts": {"azureBlob": {"account": "models", "container": "mlflow"}},
            "identity.azureWorkloadIdentity.containerId": CONTAINER,
        },
    ),
}
