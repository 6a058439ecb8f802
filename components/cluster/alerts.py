"""Alert rules. docs/operations.md explains each alert and what to do, under the alert's name."""

from typing import Any

from ..arguments import AlertsArgs, BackupArgs


def rules(
    args: AlertsArgs,
    *,
    name: str,
    service: str,
    namespace: str,
    workload: str,
    backup: BackupArgs | None,
    archives: bool,
) -> list[dict[str, Any]]:
    """The rules of one deployment, in Prometheus' format. One long function, since it is a list with shared selectors.

    Args:
        args: The thresholds and labels.
        name: Name of the component; names of Jobs and claims begin with it.
        service: Name of the Service.
        namespace: Its namespace.
        workload: Name of the Deployment.
        backup: Backups, if there are any.
        archives: Whether a PostgreSQL server in the cluster archives its log.
    """
    here, of = f'namespace="{namespace}"', f'namespace="{namespace}",service="{service}"'
    share, free = args.error_percent / 100, args.volume_free_percent / 100
    requests = f"sum(rate(mlflow_http_request_total{{{of}}}[5m]))"
    errors = f'sum(rate(mlflow_http_request_total{{{of},status=~"5.."}}[5m]))'
    buckets = f"sum by (le) (rate(mlflow_http_request_duration_seconds_bucket{{{of}}}[5m]))"
    replicas = f'{{{here},deployment="{workload}"}}'
    volumes = f'{{{here},persistentvolumeclaim=~"(.*-)?{name}-.*"}}'

    def rule(alert: str, severity: str, wait: str, expression: str, summary: str, action: str) -> dict[str, Any]:
        where = f"MLflow {name} in {namespace}"
        annotations = {"summary": f"{where}: {summary}", "description": action}
        if args.runbook_url is not None:
            annotations["runbook_url"] = f"{args.runbook_url}#{alert.lower()}"
        labels = {**args.alert_labels, "severity": severity}
        return {"alert": alert, "expr": expression, "for": wait, "labels": labels, "annotations": annotations}

    def age(job: str) -> str:
        """Seconds since a CronJob succeeded, or since it was made if it never has."""
        which = f'{{{here},cronjob="{name}-{job}"}}'
        succeeded, made = (f"kube_cronjob_{what}{which}" for what in ("status_last_successful_time", "created"))
        return f"time() - ({succeeded} or {made})"

    kept = []
    if backup is not None:
        # Aggregated, since a rule with two such series, of two exporters, would fail as a whole; without any, nothing is left out.
        made = f'scalar(min(kube_cronjob_created{{{here},cronjob="{name}-backup"}}))'
        limit = args.backup_age_hours * 3600
        early = f'kube_job_created{{{here},job_name=~"{name}-backup-drill-.*"}} < {made} + {limit}'
        kept = [
            rule(
                "MlflowBackupTooOld",
                "critical",
                "0m",
                f"{age('backup')} > {limit}",
                f"no backup has succeeded for {args.backup_age_hours} hours",
                f"What is logged now would be lost with the database. See the log of the last Job of the CronJob {name}-backup.",
            ),
            rule(
                "MlflowBackupFailed",
                "warning",
                "0m",
                # A drill finds nothing before the first backup. That there should be one by now is for the alert above to say.
                f'kube_job_status_failed{{{here},job_name=~"{name}-(backup|restore).*"}} > 0 unless on (job_name) ({early})',
                "the Job {{ $labels.job_name }} failed",
                "Its pod's log says why. A failed drill means that the last backup may not be one that can be restored.",
            ),
        ]
    if backup is not None and backup.drill is not None:
        kept.append(
            rule(
                "MlflowBackupDrillTooOld",
                "warning",
                "0m",
                f"{age('backup-drill')} > {args.drill_age_days * 86400}",
                f"no restore drill has succeeded for {args.drill_age_days} days",
                f"Nobody knows whether the backups can be restored. See the last Job of the CronJob {name}-backup-drill.",
            )
        )
    if archives:

        def restarts(container: str, during: str) -> str:
            """More than the one that a restart of the node is."""
            which = f'{{{here},pod="{name}-database-0",container="{container}"}}'
            return f"increase(kube_pod_init_container_status_restarts_total{which}[{during}]) > 1.5"

        kept += [
            rule(
                "MlflowArchiveBehind",
                "critical",
                "0m",
                restarts("archive", "1h"),
                "changes of the database are no longer sent to the backups' destination",
                "What is logged now would be lost with the volume. The log of the container `archive` says why.",
            ),
            rule(
                "MlflowBaseBackupTooOld",
                "warning",
                "0m",
                restarts("base-backup", "8h"),
                "no base backup of the database has succeeded for hours",
                "A restore takes longer each hour. The log of the container `base-backup` says why.",
            ),
        ]
    elif backup is not None and backup.continuous is not None:
        archive = f'{{namespace="{namespace}",service="{name}-continuous"}}'
        changed = f"sum(increase(litestream_txid{archive}[10m])) > 0"
        sent = f'sum(increase(litestream_replica_operation_total{archive[:-1]},operation="PUT"}}[10m])) > 0'
        # Litestream counts no writes to a volume.
        behind = [f"({changed} unless {sent})"] if backup.destination.volume is None else []
        kept.append(
            rule(
                "MlflowArchiveBehind",
                "critical",
                "5m",
                " or ".join([*behind, f"absent(litestream_txid{archive} > 0)"]),
                "changes of the database are no longer sent to the backups' destination",
                "What is logged now would be lost with the volume. The log of the container `continuous` says why.",
            )
        )
    return [
        *kept,
        rule(
            "MlflowDown",
            "critical",
            "2m",
            f"absent(up{{{of}}} == 1)",
            "no pod answers",
            "Nobody can log or read. See `kubectl get pods` and the events of the namespace, then the log of the server.",
        ),
        rule(
            "MlflowNoReplicaAvailable",
            "critical",
            "2m",
            f"kube_deployment_status_replicas_available{replicas} == 0 and kube_deployment_spec_replicas{replicas} > 0",
            "no replica is ready",
            "Pods do not start or fail their probes: image, scheduling, volume or database. See `kubectl describe pods`.",
        ),
        rule(
            "MlflowErrors",
            "critical",
            "5m",
            f"{errors} / {requests} > {share:g}",
            f"more than {args.error_percent} % of the requests fail",
            "Usually the database or the artifact store. The log of the server names which: look for tracebacks.",
        ),
        rule(
            "MlflowSlow",
            "warning",
            "10m",
            f"histogram_quantile(0.95, {buckets}) > {args.latency_seconds:g}",
            f"one request of twenty takes longer than {args.latency_seconds:g} s",
            "Look at CPU throttling, the database's load and its number of connections; add replicas if the CPU is busy.",
        ),
        rule(
            "MlflowRestarting",
            "warning",
            "0m",
            f'increase(kube_pod_container_status_restarts_total{{{here},pod=~"{workload}-.*"}}[15m]) > 2',
            "{{ $labels.pod }} is started again and again",
            "`kubectl logs --previous` has the last words; `OOMKilled` in its status means: raise pod.resources.memoryLimit.",
        ),
        rule(
            "MlflowJobFailed",
            "warning",
            "0m",
            f'kube_job_status_failed{{{here},job_name=~"{name}-(migration|garbage-collection).*"}} > 0',
            "the Job {{ $labels.job_name }} failed",
            "Its pod's log says why. A failed migration keeps the new version from starting; a failed garbage collection"
            " leaves deleted artifacts in place.",
        ),
        rule(
            "MlflowVolumeFilling",
            "warning",
            "10m",
            f"kubelet_volume_stats_available_bytes{volumes} / kubelet_volume_stats_capacity_bytes{volumes} < {free:g}",
            "the volume {{ $labels.persistentvolumeclaim }} is nearly full",
            "A full volume stops logging. Run garbage collection, enlarge the claim where its class allows that, or move to"
            " a bucket.",
        ),
    ]
