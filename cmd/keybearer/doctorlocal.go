package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/doctor"
	"github.com/keybearer/keybearer/internal/login"
	"github.com/keybearer/keybearer/internal/policy"
	"github.com/keybearer/keybearer/internal/vault"
)

// examine looks at what `keybearer run` and `keybearer login` need: the vault and its key, each connection, the
// port that logins come back to, a browser, the policy. Nothing is changed but tokens that were about to end.
func examine(ctx context.Context, w world, f *homeFlags) (r doctor.Report, err error) {
	add := func(check string, verdict doctor.Verdict, provider, saw, do string) {
		r.Findings = append(r.Findings, doctor.Finding{Check: check, Verdict: verdict, Provider: provider, Saw: saw, Do: do})
	}
	h, err := f.open(ctx, w, vault.Config{})
	if err != nil {
		if _, ok := errors.AsType[usageError](err); ok {
			return r, err
		}
		add("vault.open", doctor.Problem, "", "it does not open: "+err.Error(), "")
		return r, nil
	}
	defer func() { err = errors.Join(err, h.Close(context.WithoutCancel(ctx))) }()
	if local, ok := h.(*localHome); ok {
		add("vault.open", doctor.OK, "", "it opens: "+local.vault.Dir(), "")
		examineCustody(local.vault, add)
		if err := local.vault.Tidy(ctx); err != nil {
			add("vault.tidy", doctor.Warning, "", "what is over could not be removed: "+err.Error(), "")
		}
	}
	if err := examineConnections(ctx, h, add); err != nil {
		return r, err
	}
	if !f.remote() {
		examinePort(ctx, add)
		if strings.TrimSpace(w.getenv("BROWSER")+w.getenv("DISPLAY")+w.getenv("WAYLAND_DISPLAY")) == "" && runtime.GOOS != "windows" && runtime.GOOS != "darwin" {
			add("login.browser", doctor.Warning, "", "there is no screen here, so no browser opens", "log in with --no-browser, or with --flow device")
		} else {
			add("login.browser", doctor.OK, "", "a browser can be tried", "")
		}
	}
	return r, examinePolicy(w, add)
}

type adder func(check string, verdict doctor.Verdict, provider, saw, do string)

func examineCustody(v *vault.Vault, add adder) {
	switch custody := v.Custody(); custody {
	case vault.File:
		add("vault.key", doctor.Warning, "", "its key is in a file beside it: who can read your files can open it", "keep it in the keyring or under a passphrase: keybearer rekey --to keyring")
	default:
		add("vault.key", doctor.OK, "", "its key is kept in: "+string(custody), "")
	}
}

// examineConnections asks for a token of each.
func examineConnections(ctx context.Context, h home, add adder) error {
	routes, err := h.Routes(ctx)
	if err != nil {
		return err
	}
	if len(routes) == 0 {
		add("connections.any", doctor.Warning, "", "there are none", "keybearer login PROVIDER, as in keybearer login github")
	}
	for i := range routes {
		r := &routes[i]
		if r.Problem == "" {
			_, err = h.Token(ctx, r.Ref)
		} else {
			err = advised(keybearer.Errorf(keybearer.Reauthorize, "%s", r.Problem), r)
		}
		switch {
		case err != nil:
			add("connection.token", doctor.Problem, title(r), "there is no token: "+err.Error(), "")
		case len(hostsOf(r)) == 0:
			add("connection.token", doctor.Warning, title(r), "there is a token, and no host that it is for", "give the provider's definition a section api with hosts, and log in again")
		default:
			add("connection.token", doctor.OK, title(r), "there is a token, for "+strings.Join(hostsOf(r), ", "), "")
		}
		if left := time.Until(r.ExpiresAt); !r.Refreshable && !r.ExpiresAt.IsZero() && left > 0 && left < 14*24*time.Hour {
			add("connection.expiry", doctor.Warning, title(r), "it ends in "+ago(left), "make a new one at the provider, and log in again")
		}
	}
	return nil
}

func examinePort(ctx context.Context, add adder) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(login.DefaultPort)))
	if err != nil {
		add("login.port", doctor.Warning, "", fmt.Sprintf("port %d, which logins come back to, is taken", login.DefaultPort), "stop what uses it, or log in with --port and register that callback at the provider")
		return
	}
	_ = l.Close()
	add("login.port", doctor.OK, "", "the callback is "+login.Callback(login.DefaultPort), "")
}

func examinePolicy(w world, add adder) error {
	dir, err := vault.Folder(w.env)
	if err != nil {
		return err
	}
	path := policy.In(dir)
	if _, err := os.Stat(path); err != nil {
		add("policy.file", doctor.OK, "", "there is none: what your connections serve is allowed", "")
		return nil
	}
	if _, problems := policy.Load(path); problems.Failed() {
		add("policy.file", doctor.Problem, "", path+" has errors, so nothing is allowed: "+problems[0].Message, "keybearer run says all of them")
		return nil
	}
	add("policy.file", doctor.OK, "", "it is in force: "+path, "")
	return nil
}
