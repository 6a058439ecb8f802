package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// pythonHost runs programs, plugins and policy packs in Python. The executor is the SDK's own program that runs another.
type pythonHost struct {
	host
	executor string
}

// environment is the virtual environment that the project names, or empty.
func environment(info *pulumirpc.ProgramInfo) string {
	named := info.GetOptions().GetFields()["virtualenv"].GetStringValue()
	if named == "" || filepath.IsAbs(named) {
		return named
	}
	return filepath.Join(info.RootDirectory, named)
}

// interpreter is the Python of a virtual environment, or the first on PATH if there is none.
func interpreter(folder string) string {
	if folder == "" {
		return "python3"
	}
	return filepath.Join(folder, "bin", "python")
}

// command is a call of the project's Python: that of its virtual environment, or else the first on PATH.
func command(ctx context.Context, info *pulumirpc.ProgramInfo, arguments ...string) (*exec.Cmd, error) {
	folder := environment(info)
	program := interpreter(folder)
	made := exec.CommandContext(ctx, program, arguments...)
	if folder == "" {
		return made, nil
	}
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("the virtual environment %s is not there; run `pulumi install` in %s: %w",
			folder, info.RootDirectory, err)
	}
	path := filepath.Dir(program) + string(os.PathListSeparator) + os.Getenv("PATH")
	made.Env = append(os.Environ(), "VIRTUAL_ENV="+folder, "PATH="+path)
	return made, nil
}

func (*pythonHost) About(ctx context.Context, request *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	return about(ctx, interpreter(environment(request.Info)))
}

// Run runs a program.
func (h *pythonHost) Run(ctx context.Context, request *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	arguments := append([]string{"-u", h.executor}, h.settings(request)...)
	arguments = append(arguments, "--dry_run", strconv.FormatBool(request.DryRun))
	arguments = append(arguments, "--root_directory", request.Info.RootDirectory, request.Info.EntryPoint)
	program, err := command(ctx, request.Info, append(arguments, request.Args...)...)
	if err != nil {
		return nil, err
	}
	return run(program, request)
}

// RunPlugin runs a policy pack with the SDK's module for it, and any other plugin as a folder with a __main__.py.
func (*pythonHost) RunPlugin(
	request *pulumirpc.RunPluginRequest, answer grpc.ServerStreamingServer[pulumirpc.RunPluginResponse],
) error {
	folder := request.Info.ProgramDirectory
	arguments := append([]string{"-u", folder}, request.Args...)
	if request.Kind == "analyzer" {
		arguments = append(append([]string{"-u", "-m", "pulumi.policy"}, request.Args...), folder)
	}
	program, err := command(answer.Context(), request.Info, arguments...)
	if err != nil {
		return err
	}
	program.Dir, program.Env = request.Pwd, append(program.Environ(), request.Env...)
	closer, stdout, stderr, err := rpcutil.MakeRunPluginStreams(answer, false)
	if err != nil {
		return err
	}
	defer closer.Close()
	program.Stdout, program.Stderr = stdout, stderr
	var exit *exec.ExitError
	if err := program.Run(); errors.As(err, &exit) && exit.Exited() {
		code := &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(exit.ExitCode())}
		return answer.Send(&pulumirpc.RunPluginResponse{Output: code})
	} else if err != nil {
		return err
	}
	return closer.Close()
}

// InstallDependencies makes the virtual environment that the project names and installs what the project requires.
func (*pythonHost) InstallDependencies(
	request *pulumirpc.InstallDependenciesRequest,
	answer grpc.ServerStreamingServer[pulumirpc.InstallDependenciesResponse],
) error {
	folder := environment(request.Info)
	if folder == "" {
		return nil // the first Python on PATH is not ours to change
	}
	if found, err := os.Lstat(folder); err == nil && found.Mode()&os.ModeSymlink != 0 {
		// The environment of a checkout, with the SDKs whose plugins are there.
		return installing(request, answer, exec.Command("echo", folder, "leads to an environment that `make` keeps"))
	}
	var steps []*exec.Cmd
	program := interpreter(folder)
	if _, err := os.Stat(program); err != nil {
		steps = append(steps, exec.CommandContext(answer.Context(), "python3", "-m", "venv", folder))
	}
	required := []string{"--requirement", "requirements.txt"}
	if _, err := os.Stat(filepath.Join(request.Directory, required[1])); err != nil {
		required = []string{"--editable", "."}
	}
	arguments := append([]string{"-m", "pip", "install"}, required...)
	return installing(request, answer, append(steps, exec.CommandContext(answer.Context(), program, arguments...))...)
}

// GetRequiredPackages finds the plugins of the SDKs in the virtual environment that the project names, by pip like the
// released host, so that a preview here costs what it costs there.
func (h *pythonHost) GetRequiredPackages(
	ctx context.Context, request *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	if environment(request.Info) == "" {
		return h.host.GetRequiredPackages(ctx, request)
	}
	list, err := command(ctx, request.Info, "-m", "pip", "list", "--verbose", "--format", "json")
	if err != nil {
		return nil, err
	}
	said, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(list.Args, " "), err)
	}
	var installed []struct{ Name, Location string }
	if err := json.NewDecoder(bytes.NewReader(said)).Decode(&installed); err != nil {
		return nil, err
	}
	answer := &pulumirpc.GetRequiredPackagesResponse{}
	for _, each := range installed {
		module := strings.ReplaceAll(each.Name, "-", "_")
		described, err := plugin.LoadPulumiPluginJSON(filepath.Join(each.Location, module, "pulumi-plugin.json"))
		if err == nil && described.Resource {
			answer.Packages = append(answer.Packages, &pulumirpc.PackageDependency{
				Name: described.Name, Kind: "resource", Version: "v" + described.Version, Server: described.Server,
			})
		}
	}
	return answer, nil
}
