// Command local-path provisions a directory on this node for every claim of its storage class, and deletes it with the
// volume. Unlike the provisioner of the same name it makes the directories itself, because it runs on the node: no helper
// pod, hence no shell image.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

type provisioner struct{ directory, node string }

func (p provisioner) Provision(
	_ context.Context, options controller.ProvisionOptions,
) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	claim := options.PVC
	path := filepath.Join(p.directory, fmt.Sprintf("%s_%s_%s", claim.Namespace, claim.Name, options.PVName))
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	// Any user of the pod may write, also without fsGroup; MkdirAll's mode is cut by the umask.
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: v1.PersistentVolumeSpec{
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: claim.Spec.Resources.Requests[v1.ResourceStorage]},
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			MountOptions:                  options.StorageClass.MountOptions,
			VolumeMode:                    claim.Spec.VolumeMode,
			// "local" rather than "hostPath": the kubelet sets fsGroup on it.
			PersistentVolumeSource: v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: path}},
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
				MatchExpressions: []v1.NodeSelectorRequirement{
					{Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{p.node}},
				},
			}}}},
		},
	}, controller.ProvisioningFinished, nil
}

func (p provisioner) Delete(_ context.Context, volume *v1.PersistentVolume) error {
	if volume.Spec.Local == nil || filepath.Dir(volume.Spec.Local.Path) != filepath.Clean(p.directory) {
		return fmt.Errorf("volume %s is not a directory in %s", volume.Name, p.directory)
	}
	return os.RemoveAll(volume.Spec.Local.Path)
}

func run() error {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	name := flag.String("provisioner", "local-path", "provisioner named by the storage class")
	directory := flag.String("directory", "", "folder that holds the volumes")
	node := flag.String("node", "", "value of the node's kubernetes.io/hostname label")
	flag.Parse()

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	volumes := provisioner{directory: *directory, node: *node}
	// One instance runs, so there is no leader to elect, which would delay the first volume.
	controller.NewProvisionController(ctx, client, *name, volumes, controller.LeaderElection(false)).Run(ctx)
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
