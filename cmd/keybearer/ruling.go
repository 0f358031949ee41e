package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer/internal/policy"
	"github.com/keybearer/keybearer/internal/proxy"
	"github.com/keybearer/keybearer/internal/vault"
)

// policyFlags are how a command finds the policy.
type policyFlags struct{ file string }

func (f *policyFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.file, "policy", "", "the policy.yaml to use (default: the one in the data folder, if there is one)")
}

// rules is a policy file as the proxy asks it, with its rates.
type rules struct {
	source *policy.Source
	rates  *policy.Limiter
}

var _ proxy.Policy = (*rules)(nil)

func (f *policyFlags) open(w world) (*rules, error) {
	path, named := f.file, f.file != ""
	if !named {
		dir, err := vault.Folder(w.env)
		if err != nil {
			return nil, err
		}
		path = policy.In(dir)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("finding the policy: %w", err)
	}
	return &rules{
		source: policy.NewSource(policy.SourceConfig{Path: path, Required: named, Report: func(all policy.Problems) { reportPolicy(w.err, path, all) }}),
		rates:  policy.NewLimiter(nil),
	}, nil
}

func reportPolicy(out io.Writer, path string, all policy.Problems) {
	if len(all) == 0 {
		_, _ = fmt.Fprintf(out, "keybearer: %s is good again\n", path)
		return
	}
	_ = all.Print(out)
}

// Decide implements [proxy.Policy].
func (r *rules) Decide(q proxy.Asked) proxy.Ruling {
	d := r.rates.Take(q.Run, r.source.Decide(policy.Request{
		Run: q.Run, Provider: q.Provider, Connection: q.Connection, Method: q.Method, Host: q.Host, Path: q.Path, Upgrade: q.Upgrade, Override: q.Override, Matched: q.Matched,
	}))
	ruling := proxy.Ruling{Rule: d.Rule, Reason: d.Reason, After: d.RetryAfter, Near: d.Named}
	switch d.Verdict {
	case policy.Allow, policy.Tunnel:
		ruling.Verdict = proxy.Allow
	case policy.Ask:
		ruling.Verdict = proxy.Confirm
	default:
		ruling.Verdict = proxy.Refuse
	}
	return ruling
}
