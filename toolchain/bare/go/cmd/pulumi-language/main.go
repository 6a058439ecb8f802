// pulumi-language is what the released language hosts for Python and Node.js are to the engine: neither is published as
// a module of the version that the engine asks for. Which of the two it is, its file name says. It runs programs,
// plugins and policy packs in Python, runs programs for Node.js and generates packages for them, and installs what both
// depend on.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// toldWhy is the exit code with which the SDKs say that they have told the engine why.
const toldWhy = 32

// host is what the two languages have in common.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engine string
}

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve answers the engine, whose address is the last argument, until it goes, if need be without a word.
func serve() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	common := host{engine: os.Args[len(os.Args)-1]}
	var language pulumirpc.LanguageRuntimeServer
	switch name := filepath.Base(os.Args[0]); name {
	case "pulumi-language-python":
		language = &pythonHost{host: common, executor: filepath.Join(filepath.Dir(program), "pulumi-language-python-exec")}
	case "pulumi-language-nodejs":
		language = &nodeHost{host: common}
	default:
		return fmt.Errorf("%s is no language host: call it pulumi-language-python or pulumi-language-nodejs", name)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := rpcutil.Healthcheck(ctx, common.engine, time.Minute, cancel); err != nil {
		return err
	}
	gone := make(chan bool)
	context.AfterFunc(ctx, func() { close(gone) })
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: gone,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, language)
			return nil
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(handle.Port)
	return <-handle.Done
}

func (*host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

func (*host) GetRequiredPackages(
	context.Context, *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil // the engine finds out when a resource is registered
}

func (*host) GetProgramDependencies(
	context.Context, *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	return &pulumirpc.GetProgramDependenciesResponse{}, nil // only `pulumi about` lists them
}

// about says which interpreter there is.
func about(ctx context.Context, program string) (*pulumirpc.AboutResponse, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, err
	}
	said, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return nil, err
	}
	words := strings.Fields(string(said)) // v20.1.0, or Python 3.11.7
	return &pulumirpc.AboutResponse{Executable: path, Version: words[len(words)-1]}, nil
}

// settings are the arguments with which both SDKs are told what a program belongs to.
func (h *host) settings(request *pulumirpc.RunRequest) []string {
	return []string{
		"--monitor", request.MonitorAddress, "--engine", h.engine, "--organization", request.Organization,
		"--project", request.Project, "--stack", request.Stack, "--pwd", request.Pwd,
		"--parallel", strconv.Itoa(int(request.Parallel)),
	}
}

// run starts a program and waits for its end.
func run(command *exec.Cmd, request *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	command.Dir = request.Pwd
	command.Env = command.Environ()
	if len(request.Config) > 0 {
		config, err := json.Marshal(request.Config)
		if err != nil {
			return nil, err
		}
		secret, err := json.Marshal(request.ConfigSecretKeys)
		if err != nil {
			return nil, err
		}
		command.Env = append(command.Env, "PULUMI_CONFIG="+string(config), "PULUMI_CONFIG_SECRET_KEYS="+string(secret))
	}
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	err := command.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case errors.As(err, &exit) && exit.ExitCode() == toldWhy:
		return &pulumirpc.RunResponse{Bail: true}, nil
	case errors.As(err, &exit) && exit.Exited():
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("program exited with non-zero exit code: %d", exit.ExitCode())}, nil
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("program exited unexpectedly: %v", err)}, nil
	}
}

// installing runs commands one after the other in the project's folder, whose output the engine shows.
func installing(
	request *pulumirpc.InstallDependenciesRequest,
	answer grpc.ServerStreamingServer[pulumirpc.InstallDependenciesResponse],
	commands ...*exec.Cmd,
) error {
	closer, stdout, stderr, err := rpcutil.MakeInstallDependenciesStreams(answer, request.IsTerminal)
	if err != nil {
		return err
	}
	defer closer.Close()
	for _, command := range commands {
		command.Dir, command.Stdout, command.Stderr = request.Directory, stdout, stderr
		if err := command.Run(); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(command.Args, " "), err)
		}
	}
	return closer.Close()
}
