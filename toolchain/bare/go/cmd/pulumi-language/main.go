// pulumi-language is as much of two of Pulumi's language hosts as the tests of the component provider need, since
// neither is published as a module: it runs programs for Node.js, generates packages for them, and runs plugins in
// Python. Which one it is, its file name says.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engine string
}

func main() {
	engine := os.Args[len(os.Args)-1]
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, &host{engine: engine})
			return nil
		},
	})
	if err == nil {
		fmt.Println(handle.Port)
		err = <-handle.Done
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (*host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: "0.0.0"}, nil
}

func (*host) GetRequiredPackages(
	context.Context, *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil // the engine finds out when a resource is registered
}

func (*host) InstallDependencies(
	*pulumirpc.InstallDependenciesRequest, grpc.ServerStreamingServer[pulumirpc.InstallDependenciesResponse],
) error {
	return nil // the tests have installed them
}

// Run runs a program as cmd/run of the SDK for Node.js expects it.
func (h *host) Run(ctx context.Context, request *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	config, err := json.Marshal(request.Config)
	if err != nil {
		return nil, err
	}
	secret, err := json.Marshal(request.ConfigSecretKeys)
	if err != nil {
		return nil, err
	}
	folder := request.Info.ProgramDirectory
	arguments := []string{
		filepath.Join(folder, "node_modules", "@pulumi", "pulumi", "cmd", "run"),
		"--monitor", request.MonitorAddress, "--engine", h.engine, "--organization", request.Organization,
		"--project", request.Project, "--stack", request.Stack, "--pwd", request.Pwd,
		"--parallel", strconv.Itoa(int(request.Parallel)),
	}
	if request.DryRun {
		arguments = append(arguments, "--dry-run")
	}
	command := exec.CommandContext(ctx, "node", append(arguments, request.Info.EntryPoint)...)
	command.Dir = request.Pwd
	command.Env = append(os.Environ(), "PULUMI_CONFIG="+string(config), "PULUMI_CONFIG_SECRET_KEYS="+string(secret))
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	if err := command.Run(); err != nil {
		// The exit code with which the SDK says that it has told the engine why.
		if exit, failed := err.(*exec.ExitError); failed && exit.ExitCode() == 32 {
			return &pulumirpc.RunResponse{Bail: true}, nil
		}
		return &pulumirpc.RunResponse{Error: err.Error()}, nil
	}
	return &pulumirpc.RunResponse{}, nil
}

// GeneratePackage writes the package for Node.js of a provider's schema.
func (*host) GeneratePackage(
	_ context.Context, request *pulumirpc.GeneratePackageRequest,
) (*pulumirpc.GeneratePackageResponse, error) {
	loader, err := schema.NewLoaderClient(request.LoaderTarget)
	if err != nil {
		return nil, err
	}
	var spec schema.PackageSpec
	if err := json.Unmarshal([]byte(request.Schema), &spec); err != nil {
		return nil, err
	}
	described, problems, err := schema.BindSpec(spec, loader, schema.ValidationOptions{})
	if err != nil {
		return nil, err
	}
	if problems.HasErrors() {
		return nil, problems
	}
	cached := schema.NewCachedLoader(loader)
	files, err := nodejs.GeneratePackage(
		"pulumi-language-nodejs", described, request.ExtraFiles, request.LocalDependencies, request.Local, cached,
	)
	if err != nil {
		return nil, err
	}
	for name, content := range files {
		path := filepath.Join(request.Directory, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return nil, err
		}
	}
	return &pulumirpc.GeneratePackageResponse{}, nil
}

// RunPlugin runs a folder with a __main__.py, in the virtual environment that PulumiPlugin.yaml names if it is there.
func (*host) RunPlugin(
	request *pulumirpc.RunPluginRequest, answer grpc.ServerStreamingServer[pulumirpc.RunPluginResponse],
) error {
	folder := request.Info.ProgramDirectory
	python := "python3"
	if named := request.Info.Options.GetFields()["virtualenv"].GetStringValue(); named != "" {
		python = filepath.Join(folder, named, "bin", "python")
	}
	command := exec.CommandContext(answer.Context(), python, append([]string{"-u", folder}, request.Args...)...)
	command.Dir, command.Env = request.Pwd, append(os.Environ(), request.Env...)
	said, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	complaints := &strings.Builder{}
	command.Stderr = io.MultiWriter(os.Stderr, complaints)
	if err := command.Start(); err != nil {
		return err
	}
	buffer := make([]byte, 1<<12)
	for {
		read, err := said.Read(buffer)
		if read > 0 {
			part := &pulumirpc.RunPluginResponse_Stdout{Stdout: append([]byte{}, buffer[:read]...)}
			if err := answer.Send(&pulumirpc.RunPluginResponse{Output: part}); err != nil {
				return err
			}
		}
		if err != nil {
			break
		}
	}
	if err := command.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, complaints)
	}
	return nil
}
