// kube-score for many deployments at once. Reads a JSON list of deployments, each a list of objects, and writes for each
// how many objects were scored and what is critical about them.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"

	"github.com/zegl/kube-score/config"
	"github.com/zegl/kube-score/domain"
	"github.com/zegl/kube-score/parser"
	"github.com/zegl/kube-score/score"
	"github.com/zegl/kube-score/scorecard"
)

type report struct {
	Judged   int      `json:"judged"`
	Findings []string `json:"findings"`
}

type document struct{ io.Reader }

func (document) Name() string { return "deployment" }

func judge(p *parser.Parser, objects []json.RawMessage) (report, error) {
	made := report{Findings: []string{}}
	var documents []domain.NamedReader
	for _, raw := range objects {
		documents = append(documents, document{bytes.NewReader(raw)})
	}
	parsed, err := p.ParseFiles(documents)
	if err != nil {
		return made, err
	}
	settings := &config.RunConfiguration{
		KubernetesVersion:     config.Semver{Major: 1, Minor: 35},
		MinReplicasDeployment: 2,
		MinReplicasHPA:        2,
	}
	card, err := score.Score(parsed, score.RegisterAllChecks(parsed, nil, settings), settings)
	if err != nil {
		return made, err
	}
	made.Judged = len(*card)
	for _, object := range *card {
		for _, check := range object.Checks {
			if check.Skipped || check.Grade > scorecard.GradeCritical {
				continue
			}
			what := fmt.Sprintf("%s: %s", check.Check.ID, object.TypeMeta.Kind)
			for _, comment := range check.Comments {
				text := fmt.Sprintf("%s %s: %s %s", what, comment.Path, comment.Summary, comment.Description)
				made.Findings = append(made.Findings, text)
			}
			if len(check.Comments) == 0 {
				made.Findings = append(made.Findings, what+": "+check.Check.Comment)
			}
		}
	}
	sort.Strings(made.Findings)
	return made, nil
}

func run() error {
	var deployments [][]json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&deployments); err != nil {
		return err
	}
	p, err := parser.New(nil)
	if err != nil {
		return err
	}
	reports := []report{}
	for _, objects := range deployments {
		made, err := judge(p, objects)
		if err != nil {
			return err
		}
		reports = append(reports, made)
	}
	return json.NewEncoder(os.Stdout).Encode(reports)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
