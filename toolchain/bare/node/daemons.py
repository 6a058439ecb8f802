"""The programs of the built-in node: what each is called with, and how one sees that it answers.

All paths are those inside the node's own root (see `init`): `/node` holds what survives a stop, `/run` what does not.
"""

from __future__ import annotations

import json
import socket
import ssl
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolchain.bare.node import addresses

STATE = Path("/node")
RUN = Path("/run/node")
PKI = STATE / "pki"
RESOLV = RUN / "resolv.conf"
CONTAINERD_SOCKET = Path("/run/containerd/containerd.sock")
CGROUP = "mlflow-deployment"
"""Top-level control group that holds the daemons (`system`) and the pods (`kubepods`)."""
STORAGE_PROVISIONER = "local-path"


@dataclass(frozen=True)
class Daemon:
    """One program.

    Args:
        name: Name of its log file, and argument 0.
        program: File to run.
        arguments: What follows argument 0.
        answers: True once it serves; daemons on which nothing waits have none.
    """

    name: str
    program: str
    arguments: Sequence[str]
    answers: Callable[[], bool] = lambda: True


def etcd(program: str) -> Daemon:
    """The API server's store. It serves without TLS, on the loopback of the node's own network namespace only."""
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    arguments = [
        f"--data-dir={STATE}/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--log-level=warn",
    ]
    return Daemon("etcd", program, arguments, lambda: _get(f"{client}/health"))


def containerd(program: str, cni_programs: str, pause_image: str) -> Daemon:
    """The container runtime, with a bridge-less network: each pod has its own link to the node and is routed."""
    network = {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            # Routed links rather than a bridge: service replies between two pods then pass the node's address
            # translation without the kernel's br_netfilter module. The node needs no masquerading, the host does it.
            {
                "type": "ptp",
                "ipMasq": False,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": addresses.PODS}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    _write(RUN / "cni" / "10-pods.conflist", json.dumps(network))
    config = f"""
version = 2
root = "{STATE}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause_image}"
  # Where root lacks CAP_SYS_RESOURCE, no process may lower its score, and without this no sandbox starts.
  restrict_oom_score_adj = true
  disable_apparmor = true # loading a profile would change the host
  disable_hugetlb_controller = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_programs}"
    conf_dir = "{RUN}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
"""
    path = _write(RUN / "containerd.toml", config)
    return Daemon("containerd", program, [f"--config={path}", "--log-level=warn"], _containerd_answers)


def apiserver(program: str) -> Daemon:
    """The API server. Without a certificate or token it answers health checks only."""
    anonymous = {"enabled": True, "conditions": [{"path": path} for path in ("/livez", "/readyz", "/healthz")]}
    authentication = _write_config(
        "authentication", "apiserver.config.k8s.io/v1", "AuthenticationConfiguration", {"anonymous": anonymous}
    )
    arguments = [
        f"--advertise-address={addresses.NODE}",
        f"--secure-port={addresses.API_PORT}",
        "--etcd-servers=http://127.0.0.1:2379",
        f"--service-cluster-ip-range={addresses.SERVICES}",
        f"--authentication-config={authentication}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--client-ca-file={PKI}/ca.crt",
        f"--tls-cert-file={PKI}/apiserver.crt",
        f"--tls-private-key-file={PKI}/apiserver.key",
        f"--service-account-issuer=https://kubernetes.default.svc.{addresses.DOMAIN}",
        f"--service-account-key-file={PKI}/service-account.key",
        f"--service-account-signing-key-file={PKI}/service-account.key",
        f"--kubelet-certificate-authority={PKI}/ca.crt",
        f"--kubelet-client-certificate={PKI}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={PKI}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={PKI}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={PKI}/front-proxy-client.crt",
        f"--proxy-client-key-file={PKI}/front-proxy-client.key",
        "--enable-aggregator-routing=true",
        "--profiling=false",
    ]
    return Daemon("kube-apiserver", program, arguments, lambda: _get(f"https://127.0.0.1:{addresses.API_PORT}/readyz"))


def controller_manager(program: str) -> Daemon:
    """All built-in controllers, with the default pace of each but more requests per second."""
    kubeconfig = PKI / "controller-manager.kubeconfig"
    arguments = [
        *_identity(kubeconfig),
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        f"--cluster-cidr={addresses.PODS}",
        f"--service-cluster-ip-range={addresses.SERVICES}",
        f"--root-ca-file={PKI}/ca.crt",
        f"--service-account-private-key-file={PKI}/service-account.key",
        f"--cluster-signing-cert-file={PKI}/ca.crt",
        f"--cluster-signing-key-file={PKI}/ca.key",
        "--use-service-account-credentials=true",
        f"--flex-volume-plugin-dir={STATE}/kubelet/volume-plugins",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--profiling=false",
    ]
    return Daemon("kube-controller-manager", program, arguments)


def scheduler(program: str) -> Daemon:
    """The scheduler. A single instance needs no leader election, which would cost seconds at start."""
    arguments = [
        *_identity(PKI / "scheduler.kubeconfig"),
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--profiling=false",
    ]
    return Daemon("kube-scheduler", program, arguments)


def kubelet(program: str) -> Daemon:
    """The node agent. It never deletes images (those built here cannot be pulled again) and evicts only at the very end."""
    full = "500Mi"
    config = {
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{PKI}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "address": addresses.NODE,
        "tlsCertFile": f"{PKI}/kubelet.crt",
        "tlsPrivateKeyFile": f"{PKI}/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "clusterDNS": [addresses.DNS_SERVICE],
        "clusterDomain": addresses.DOMAIN,
        "resolvConf": str(RESOLV),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "podLogsDir": f"{STATE}/logs/pods",
        "volumePluginDir": f"{STATE}/kubelet/volume-plugins",
        "serializeImagePulls": False,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": full,
            "imagefs.available": full,
            "nodefs.inodesFree": "1%",
        },
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
        "eventRecordQPS": 50,
        "eventBurst": 100,
        "registryPullQPS": 0,
        "enableProfilingHandler": False,
    }
    path = _write_config("kubelet", "kubelet.config.k8s.io/v1beta1", "KubeletConfiguration", config)
    arguments = [
        f"--config={path}",
        f"--kubeconfig={PKI}/kubelet.kubeconfig",
        f"--hostname-override={addresses.NAME}",
        f"--node-ip={addresses.NODE}",
        f"--root-dir={STATE}/kubelet",
    ]
    return Daemon("kubelet", program, arguments)


def proxy(program: str) -> Daemon:
    """Service addresses by iptables. Connection tracking limits belong to the host's first network namespace."""
    config = {
        "clientConnection": {"kubeconfig": f"{PKI}/proxy.kubeconfig"},
        "mode": "iptables",
        "clusterCIDR": addresses.PODS,
        "hostnameOverride": addresses.NAME,
        "bindAddress": addresses.NODE,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "oomScoreAdj": 0,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        # A new Service answers at once instead of within a second. Without node ports on the loopback, no setting lets
        # packets from pods reach what listens there.
        "iptables": {"minSyncPeriod": "100ms", "localhostNodePorts": False},
    }
    path = _write_config("proxy", "kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration", config)
    return Daemon("kube-proxy", program, [f"--config={path}"])


def coredns(program: str, has_upstream: bool) -> Daemon:
    """Cluster DNS, on the node itself; the Service `kube-dns` leads to it."""
    config = f""".:53 {{
  bind {addresses.NODE}
  errors
  ready 127.0.0.1:8181
  kubernetes {addresses.DOMAIN} in-addr.arpa {{
    kubeconfig {PKI}/admin.kubeconfig
    fallthrough in-addr.arpa
  }}
  {f"forward . {RESOLV}" if has_upstream else ""}
  cache 5
}}
"""
    path = _write(RUN / "Corefile", config)
    return Daemon("coredns", program, [f"-conf={path}"], lambda: _get("http://127.0.0.1:8181/ready"))


# The add-ons below run as root beside the administrator's key: a narrower identity would protect nothing.


def metrics_server(program: str) -> Daemon:
    """`kubectl top` and horizontal autoscaling."""
    arguments = [
        *_identity(PKI / "admin.kubeconfig"),
        f"--bind-address={addresses.NODE}",
        "--secure-port=4443",
        f"--tls-cert-file={PKI}/metrics-server.crt",
        f"--tls-private-key-file={PKI}/metrics-server.key",
        f"--kubelet-certificate-authority={PKI}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        "--metric-resolution=15s",
    ]
    return Daemon("metrics-server", program, arguments)


def storage_provisioner(program: str) -> Daemon:
    """Makes a directory for each claim of the storage class `standard`."""
    arguments = [
        f"--kubeconfig={PKI}/admin.kubeconfig",
        f"--provisioner={STORAGE_PROVISIONER}",
        f"--directory={STATE}/volumes",
        f"--node={addresses.NAME}",
    ]
    return Daemon("local-path", program, arguments)


def _identity(kubeconfig: Path) -> list[str]:
    return [f"--{use}kubeconfig={kubeconfig}" for use in ("", "authentication-", "authorization-")]


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _write_config(name: str, version: str, kind: str, values: dict[str, object]) -> Path:
    """A component's configuration file, as JSON, which all of them read."""
    return _write(RUN / f"{name}.json", json.dumps({"apiVersion": version, "kind": kind, **values}))


def _get(url: str) -> bool:
    context = ssl.create_default_context(cafile=str(PKI / "ca.crt")) if url.startswith("https:") else None
    try:
        with urllib.request.urlopen(url, timeout=2, context=context) as answer:  # noqa: S310 (only our own addresses)
            return answer.status == 200
    except OSError:
        return False


def _containerd_answers() -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(CONTAINERD_SOCKET))
        except OSError:
            return False
    return True
