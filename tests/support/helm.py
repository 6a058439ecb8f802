"""Helm, and charts that make what the charts of MLflow document, under their names and of the same values."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.charts.table import chart as table
from tests.support.kubernetes import Kubectl

_LABELS = """
{{- define "selector" -}}
{ app.kubernetes.io/name: mlflow, app.kubernetes.io/instance: {{ .Release.Name }} }
{{- end }}
{{- define "metadata" -}}
labels:
  app.kubernetes.io/name: mlflow
  app.kubernetes.io/instance: {{ .Release.Name }}
  app.kubernetes.io/managed-by: {{ .Release.Service }}
  helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
"""

_SERVER = """
apiVersion: v1
kind: ServiceAccount
metadata:
  name: FULL_NAME
  {{- include "metadata" . | nindent 2 }}
---
apiVersion: v1
kind: Service
metadata:
  name: FULL_NAME
  {{- include "metadata" . | nindent 2 }}
spec:
  selector: {{ include "selector" . }}
  ports: [{ name: http, port: {{ .Values.service.port }}, targetPort: mlflow }]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: FULL_NAME
  {{- include "metadata" . | nindent 2 }}
spec:
  replicas: {{ .Values.replicaCount }}
  strategy: { type: Recreate }
  selector: { matchLabels: {{ include "selector" . }} }
  template:
    metadata: { labels: {{ include "selector" . }} }
    spec:
      securityContext: { runAsUser: USER, runAsGroup: USER, fsGroup: USER }
      enableServiceLinks: false
      terminationGracePeriodSeconds: 2
      containers:
        - name: mlflow
          image: {{ .Values.image.repository }}:{{ .Values.image.tag }}
          command: [mlflow, server, --host=0.0.0.0, --port=5000]
          ports: [{ name: mlflow, containerPort: 5000 }]
          readinessProbe: { httpGet: { path: /health, port: mlflow }, periodSeconds: 2 }
          {{- include "container" . | nindent 10 }}
            - { name: HOME, value: /tmp }
            - { name: MLFLOW_DISABLE_TELEMETRY, value: "true" }
            # Else ten processes more, for what no release here does.
            - { name: MLFLOW_SERVER_ENABLE_JOB_EXECUTION, value: "false" }
          volumeMounts:
            - { name: tmp, mountPath: /tmp }
            {{- include "mounts" . | nindent 12 }}
            {{- with .Values.extraVolumeMounts }}{{ toYaml . | nindent 12 }}{{ end }}
      volumes:
        - { name: tmp, emptyDir: {} }
        {{- include "volumes" . | nindent 8 }}
        {{- with .Values.extraVolumes }}{{ toYaml . | nindent 8 }}{{ end }}
"""
"""What both charts make. The chart's own `container` ends with a list of variables, which goes on here."""

_COMMUNITY = """
{{- define "container" -}}
args:
  - --app-name=basic-auth
  - --serve-artifacts
  - --workers=1
  - --backend-store-uri=sqlite:///{{ .Values.backendStore.defaultSqlitePath }}
  - --artifacts-destination={{ .Values.artifactRoot.defaultArtifactsDestination }}
envFrom: [{ secretRef: { name: FULL_NAME-flask-server-secret-key } }]
env:
  - { name: MLFLOW_AUTH_CONFIG_PATH, value: /etc/mlflow/auth/basic_auth.ini }
{{- end }}
{{- define "mounts" }}- { name: ini, mountPath: /etc/mlflow/auth }{{ end }}
{{- define "volumes" }}- { name: ini, secret: { secretName: FULL_NAME-ini } }{{ end }}
{{- define "ini" -}}
[mlflow]
default_permission = READ
database_uri = sqlite:///{{ .Values.auth.sqliteFullPath }}{{ .Values.auth.sqliteFile }}
admin_username = {{ .Values.auth.adminUsername }}
admin_password = {{ .Values.auth.adminPassword }}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
{{- end }}
apiVersion: v1
kind: Secret
metadata:
  name: FULL_NAME-auth-admin-secret
  {{- include "metadata" . | nindent 2 }}
stringData: { username: {{ .Values.auth.adminUsername }}, password: {{ .Values.auth.adminPassword | quote }} }
---
apiVersion: v1
kind: Secret
metadata:
  name: FULL_NAME-flask-server-secret-key
  {{- include "metadata" . | nindent 2 }}
stringData: { MLFLOW_FLASK_SERVER_SECRET_KEY: {{ .Values.flaskServerSecretKey | quote }} }
---
apiVersion: v1
kind: Secret
metadata:
  name: FULL_NAME-ini
  {{- include "metadata" . | nindent 2 }}
stringData: { basic_auth.ini: {{ include "ini" . | quote }} }
---"""

_OFFICIAL = """
{{- define "container" -}}
args:
  {{- range $name, $value := .Values.server.value_options }}
  - --{{ $name | replace "_" "-" }}={{ $value }}
  {{- end }}
env:
  {{- if .Values.mlflow.backendStoreUri }}
  - { name: MLFLOW_BACKEND_STORE_URI, value: {{ .Values.mlflow.backendStoreUri }} }
  {{- else }}
  - { name: MLFLOW_BACKEND_STORE_URI, valueFrom: {{ .Values.mlflow.backendStoreUriFrom | toJson }} }
  {{- end }}
  - { name: MLFLOW_ARTIFACTS_DESTINATION, value: {{ .Values.mlflow.artifactsDestination }} }
  {{- with .Values.env }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}
{{- define "mounts" }}{{ if .Values.storage.enabled }}- { name: storage, mountPath: /mlflow }{{ end }}{{ end }}
{{- define "volumes" }}{{ if .Values.storage.enabled }}- { name: storage, persistentVolumeClaim: { claimName: FULL_NAME } }{{ end }}{{ end }}
{{- if .Values.storage.enabled }}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: FULL_NAME
  {{- include "metadata" . | nindent 2 }}
spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
{{- end }}
{{- if .Values.garbageCollection.enabled }}
---
apiVersion: batch/v1
kind: CronJob
metadata:
  name: FULL_NAME-gc
  {{- include "metadata" . | nindent 2 }}
spec:
  schedule: 0 2 * * 0
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{ name: gc, image: {{ .Values.image.repository }}:{{ .Values.image.tag }}, command: [mlflow, gc] }]
{{- end }}
---"""


@dataclass(frozen=True)
class _Chart:
    """What distinguishes one chart: template of its own, name of its objects, user of its pods, defaults."""

    template: str
    full_name: str
    user: int
    values: Mapping[str, Any]


_CHARTS = {
    "community": _Chart(_COMMUNITY, "{{ .Release.Name }}", 1001, {"service": {"port": 80}}),
    "official": _Chart(
        _OFFICIAL,
        "{{ .Release.Name }}-mlflow",
        1000,
        {"service": {"port": 5000}, "storage": {"enabled": False}, "garbageCollection": {"enabled": False}},
    ),
}


def chart(name: str, folder: Path) -> Path:
    """A chart in the shape of `community` or `official`: its objects, their names and the values that they are made of.

    Args:
        name: Which one.
        folder: Where to write it.

    Returns:
        Its folder.
    """
    made = _CHARTS[name]
    place = folder / f"chart-{name}"
    (place / "templates").mkdir(parents=True)
    about = {"apiVersion": "v2", "name": "mlflow", "version": table(name).version}
    (place / "Chart.yaml").write_text(yaml.safe_dump(about))
    (place / "values.yaml").write_text(yaml.safe_dump({"replicaCount": 1, **made.values}))
    text = (_LABELS + made.template + _SERVER).replace("FULL_NAME", made.full_name).replace("USER", str(made.user))
    (place / "templates" / "release.yaml").write_text(text)
    return place


@dataclass(frozen=True)
class Helm:
    """Helm for one cluster.

    Attributes:
        program: The program.
        kubectl: The cluster.
    """

    program: Path
    kubectl: Kubectl

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables of a shell that has Helm, kubectl and the cluster."""
        folders = (self.program.parent, Path(self.kubectl.program).parent, os.environ["PATH"])
        return {**os.environ, "KUBECONFIG": str(self.kubectl.kubeconfig), "PATH": os.pathsep.join(map(str, folders))}

    def text(self, *arguments: str) -> str:
        """Output of a command that must succeed."""
        done = subprocess.run(
            [self.program, *arguments], env=self.variables, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done.stdout

    def install(self, release: str, namespace: str, chart: Path, values: Mapping[str, Any], *options: str) -> None:
        """Make a release."""
        file = chart.with_name(f"{chart.name}-given.yaml")
        file.write_text(yaml.safe_dump(dict(values)))
        self.text("install", release, str(chart), "--namespace", namespace, "--values", str(file), *options)

    def values(self, release: str, namespace: str) -> str:
        """The values that were given to a release, as a user asks for them."""
        return self.text("get", "values", release, "--namespace", namespace, "--output", "yaml")
