package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// nodeHost runs programs in TypeScript and JavaScript.
type nodeHost struct{ host }

func (*nodeHost) About(ctx context.Context, _ *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	return about(ctx, "node")
}

// Run runs a program with the SDK's own program that runs another, which compiles TypeScript.
func (h *nodeHost) Run(ctx context.Context, request *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	folder := request.Info.ProgramDirectory
	arguments := append([]string{filepath.Join(folder, "node_modules", "@pulumi", "pulumi", "cmd", "run")}, h.settings(request)...)
	if request.DryRun {
		arguments = append(arguments, "--dry-run")
	}
	program := exec.CommandContext(ctx, "node", append(append(arguments, request.Info.EntryPoint), request.Args...)...)
	program.Env = append(os.Environ(), "PULUMI_NODEJS_TYPESCRIPT=true")
	return run(program, request)
}

// InstallDependencies installs what the project requires.
func (*nodeHost) InstallDependencies(
	request *pulumirpc.InstallDependenciesRequest,
	answer grpc.ServerStreamingServer[pulumirpc.InstallDependenciesResponse],
) error {
	return installing(request, answer, exec.CommandContext(answer.Context(), "npm", "install", "--loglevel", "error"))
}

// Link names packages that were generated here among those that the project requires.
func (*nodeHost) Link(ctx context.Context, request *pulumirpc.LinkRequest) (*pulumirpc.LinkResponse, error) {
	root := request.Info.RootDirectory
	arguments := []string{"pkg", "set"}
	for _, each := range request.Packages {
		described, err := os.ReadFile(filepath.Join(root, each.Path, "package.json"))
		if err != nil {
			return nil, err
		}
		var linked struct{ Name string }
		if err := json.Unmarshal(described, &linked); err != nil {
			return nil, err
		}
		arguments = append(arguments, fmt.Sprintf("dependencies[%s]=file:%s", linked.Name, each.Path))
	}
	npm := exec.CommandContext(ctx, "npm", arguments...)
	npm.Dir = root
	if said, err := npm.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("npm pkg set: %w: %s", err, said)
	}
	return &pulumirpc.LinkResponse{}, nil
}

// GeneratePackage writes the package for Node.js of a provider's schema.
func (*nodeHost) GeneratePackage(
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
