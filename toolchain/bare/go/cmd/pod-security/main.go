// The API server's own evaluator of the Pod Security level `restricted`. Reads a JSON list of deployments, each a list of
// objects, and writes for each how many pods it makes and what is wrong with them.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/pod-security-admission/admission"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

type report struct {
	Judged   int      `json:"judged"`
	Findings []string `json:"findings"`
}

type evaluator struct {
	decoder runtime.Decoder
	pods    policy.Evaluator
}

func newEvaluator() (*evaluator, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	pods, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	codecs := serializer.NewCodecFactory(scheme, serializer.EnableStrict)
	return &evaluator{decoder: codecs.UniversalDeserializer(), pods: pods}, nil
}

func (e *evaluator) judge(raw []byte, to *report) error {
	object, kind, err := e.decoder.Decode(raw, nil, nil)
	if runtime.IsNotRegisteredError(err) {
		return nil // of a group that makes no pods
	}
	if err != nil {
		return fmt.Errorf("%s: %w", raw, err)
	}
	metadata, spec, err := admission.DefaultPodSpecExtractor{}.ExtractPodSpec(object)
	if err != nil || spec == nil {
		return nil // of a kind that makes no pods
	}
	to.Judged++
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, result := range e.pods.EvaluatePod(level, metadata, spec) {
		if !result.Allowed {
			to.Findings = append(to.Findings, fmt.Sprintf("%s: %s: %s", kind.Kind, result.ForbiddenReason, result.ForbiddenDetail))
		}
	}
	return nil
}

func run() error {
	var deployments [][]json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&deployments); err != nil {
		return err
	}
	e, err := newEvaluator()
	if err != nil {
		return err
	}
	reports := make([]report, len(deployments))
	for number, objects := range deployments {
		reports[number].Findings = []string{}
		for _, raw := range objects {
			if err := e.judge(raw, &reports[number]); err != nil {
				return err
			}
		}
	}
	return json.NewEncoder(os.Stdout).Encode(reports)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
