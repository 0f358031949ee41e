package main

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/engine"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

// consentsCommand is an app that asks for an authorization, and a person who continues on the engine's
// page. At the provider a machine clicks: the sandbox's decision.
func consentsCommand(ts *testscript.TestScript, _ bool, args []string) {
	flags := engineFlags{url: ts.Getenv(engineVariable)}
	remote, err := flags.client(world{env: func(name string) (string, bool) { return ts.Getenv(name), true }})
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	a, err := remote.Authorize(ctx, keybearer.AuthorizeRequest{User: keybearer.UserID(args[0]), ID: keybearer.ProviderID(args[1]), Scopes: args[2:]})
	ts.Check(err)
	if a.URL == "" {
		ts.Fatalf("%s need not consent: the authorization is %s", args[0], a.Status)
	}
	jar, err := cookiejar.New(nil)
	ts.Check(err)
	browser := &http.Client{Jar: jar}
	link, onward := a.URL, regexp.MustCompile(`<meta http-equiv="refresh" content="0;url=([^"]+)">`)
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodGet} { // the page, its button, and on to the provider
		req, err := http.NewRequestWithContext(ctx, method, link, nil)
		ts.Check(err)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		res, err := browser.Do(req)
		ts.Check(err)
		page, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		ts.Check(res.Body.Close())
		if res.StatusCode != http.StatusOK {
			ts.Fatalf("%s of %s ends at %s with %s: %s", method, a.URL, res.Request.URL.Host, res.Status, page)
		}
		if m := onward.FindSubmatch(page); m != nil {
			link = html.UnescapeString(string(m[1]))
		}
	}
	_, err = remote.Wait(ctx, a.ID)
	ts.Check(err)
}

// controlCommand sends a command to a sandbox's control API.
func controlCommand(ts *testscript.TestScript, _ bool, args []string) {
	res, err := http.Post(args[0], "application/json", strings.NewReader(args[1]))
	ts.Check(err)
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if res.StatusCode != http.StatusOK {
		ts.Fatalf("POST %s: %s: %s", args[0], res.Status, body)
	}
	if len(args) > 2 {
		var made struct{ Token string }
		ts.Check(json.Unmarshal(body, &made))
		ts.Setenv(args[2], made.Token)
	}
}

// agedCommand moves the consents of all stored connections back in time.
func agedCommand(ts *testscript.TestScript, _ bool, args []string) {
	back, err := time.ParseDuration(args[2])
	ts.Check(err)
	ctx := context.Background()
	cfg, problems := config.Load(config.Source{
		Path: ts.MkAbs(args[0]), DataDir: ts.MkAbs(args[1]), Definitions: catalog.Definition, Types: catalog.Kinds(),
		LookupEnv: func(name string) (string, bool) { return ts.Getenv(name), true },
	})
	ts.Check(problems.Err())
	db, err := sqlstore.Open(ctx, sqlstore.Config{Path: cfg.Storage.SQLite.ConnectionString, Exclusive: true})
	ts.Check(err)
	defer func() { ts.Check(db.Close()) }()
	sealer, err := engine.OpenKeys(ctx, cfg, db)
	ts.Check(err)
	stored, _, err := db.Connections(ctx, keybearer.ConnectionFilter{Project: keybearer.DefaultProject, Limit: 100})
	ts.Check(err)
	for _, c := range stored {
		if c.Kind != keybearer.Consented {
			continue
		}
		g, err := keybearer.OpenGrant(sealer, &c)
		ts.Check(err)
		if g.ConsentedAt.IsZero() {
			ts.Fatalf("nobody knows when %s consented", c.User)
		}
		g.ConsentedAt = g.ConsentedAt.Add(-back)
		c.Grant, err = keybearer.SealGrant(sealer, &c, g)
		ts.Check(err)
		_, err = db.PutConnection(ctx, c, c.Version)
		ts.Check(err)
	}
}

// inManualCommand holds a transcript of the manual against what was printed.
func inManualCommand(ts *testscript.TestScript, _ bool, args []string) {
	manual, err := os.ReadFile(filepath.Join("..", "..", "docs", args[0]))
	ts.Check(err)
	text := strings.NewReplacer(
		":"+ts.Getenv("PORT")+"/", ":9099/", ":"+ts.Getenv("CLOUD"), ":9199",
	).Replace(ts.ReadFile("stdout"))
	text = regexp.MustCompile(`(conn|ac)_[A-Z0-9]+`).ReplaceAllString(text, "${1}_…")
	text = regexp.MustCompile(`(\d\d:\d\d:\d\d UTC on )?\d{4}-\d\d-\d\d`).ReplaceAllString(text, "…")
	if !strings.Contains(string(manual), text) {
		ts.Fatalf("docs/%s does not have this transcript:\n%s", args[0], text)
	}
}
