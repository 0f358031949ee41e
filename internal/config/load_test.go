package config_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/oauth"
)

func load(t *testing.T, s config.Source) *config.Config {
	t.Helper()
	cfg, problems := config.Load(s)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// refused gives the errors of a configuration that must not load.
func refused(t *testing.T, s config.Source) string {
	t.Helper()
	cfg, problems := config.Load(s)
	if cfg != nil || !problems.Failed() {
		t.Fatalf("it was taken, with %v; want it refused", problems)
	}
	return problems.Err().Error()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestNoFileMeansTheDefaults(t *testing.T) {
	s := source(t)
	got := load(t, s)
	want := &config.Config{
		API: config.API{
			Host: "localhost", Port: 9099,
			ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 30 * time.Second,
			MaxRequestBodySize: 4194304,
		},
		Auth: config.Auth{Callback: config.CallbackPerProvider, ConfirmPage: config.ConfirmAuto},
		Storage: config.Storage{
			SQLite:    &config.SQLite{ConnectionString: "/home/kb/.keybearer/keybearer.sqlite3"},
			Retention: config.Retention{Authorizations: 24 * time.Hour, DeadConnections: 90 * 24 * time.Hour, Audit: 90 * 24 * time.Hour},
		},
		Telemetry: config.Telemetry{Logging: config.Logging{Level: "info", Encoding: "console"}},
		DataDir:   "/home/kb/.keybearer",
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(config.Config{})); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func TestEveryKeyArrives(t *testing.T) {
	s := source(t)
	s.Path = "engine.yaml"
	write(t, filepath.Join(s.Dir, s.Path), string(read(t, "testdata/ok-full.yaml")))
	got := load(t, s)
	home := "/home/kb"

	wantAPI := config.API{
		Development: true, Host: "localhost", Port: 8088, PublicHost: "https://keys.example.com/arcade",
		ReadTimeout: 10 * time.Second, WriteTimeout: 90 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxRequestBodySize: 1 << 20,
	}
	if diff := cmp.Diff(wantAPI, got.API); diff != "" {
		t.Errorf("api (-want +got):\n%s", diff)
	}
	wantAuth := config.Auth{
		Callback: config.CallbackShared, ConfirmPage: config.ConfirmAlways,
		NextURIOrigins:      []string{"https://app.example.com", "http://localhost:3000"},
		SessionVerification: &config.SessionVerification{VerifierURL: "https://app.example.com/verify?tenant=1"},
	}
	if diff := cmp.Diff(wantAuth, got.Auth, cmpopts.IgnoreFields(config.Auth{}, "Providers")); diff != "" {
		t.Errorf("auth (-want +got):\n%s", diff)
	}
	if got, want := got.Storage.SQLite.ConnectionString, home+"/.arcade/arcade-engine.sqlite3"; got != want {
		t.Errorf("connection_string %q, want %q", got, want)
	}
	if got, want := got.DataDir, filepath.Join(s.Dir, "data"); got != want {
		t.Errorf("data folder %q, want %q", got, want)
	}
	wantNetworks := []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16"), netip.MustParsePrefix("fd00::/8")}
	if diff := cmp.Diff(wantNetworks, got.Security.AllowNetworks, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("allow_networks (-want +got):\n%s", diff)
	}
	wantTelemetry := config.Telemetry{Environment: "production", Version: "1.2", Logging: config.Logging{Level: "debug", Encoding: "json"}}
	if diff := cmp.Diff(wantTelemetry, got.Telemetry); diff != "" {
		t.Errorf("telemetry (-want +got):\n%s", diff)
	}
	keys := got.Security.RootKeys
	if len(keys) != 2 || keys[0].ID != "2025" || keys[0].Value.Reveal() != canary+"-root-key-1" || keys[0].Default || !keys[1].Default {
		t.Errorf("root keys %+v", keys)
	}

	mine := got.Auth.Providers[0]
	if mine.ClientID != "12345" || mine.ClientSecret.Reveal() != canary || mine.Type != "oauth2" || !mine.Enabled {
		t.Errorf("provider %+v", mine)
	}
	wantParams := map[string]string{"audience": "api.atlassian.com", "prompt": "none"}
	if diff := cmp.Diff(wantParams, mine.Definition.AuthorizeRequest.Params); diff != "" {
		t.Errorf("params of the bundled type with those of the file (-want +got):\n%s", diff)
	}
	if got, want := mine.Position, (config.Position{File: "engine.yaml", Line: 19, Column: 7}); got != want {
		t.Errorf("position %v, want %v", got, want)
	}
	own := got.Auth.Providers[1].Definition
	intro := own.TokenIntrospectionRequest
	if own.ScopeDelimiter != "," || own.Scopes.Always[0] != "offline_access" || !own.PKCE.On() || own.RefreshRequest == nil ||
		own.TokenRequest.ResponseMap["scope"].String() != "join('$.scope', ' ')" || own.TokenRequest.Headers["X-Product"] != "keybearer" ||
		own.UserInfoRequest.AuthHeaderValueFormat != "Token {{access_token}}" || intro.Endpoint == "" || !*intro.Enabled ||
		own.Expiry.Default.D() != time.Hour || own.Refresh.Skew.D() != 5*time.Minute || own.TokenTypes[0] != "custom" {
		t.Errorf("definition %+v", own)
	}
	if rule := mine.Definition.Errors[0]; rule.Class != oauth.Reconsent || rule.Status != 400 {
		t.Errorf("error rule %+v", rule)
	}
}

func TestFileIsFoundInTheUsualPlaces(t *testing.T) {
	s := source(t)
	home, brew := t.TempDir(), t.TempDir()
	s.LookupEnv = environment(map[string]string{"HOME": home, "HOMEBREW_REPOSITORY": brew})
	want := []string{
		filepath.Join(s.Dir, "engine.yaml"),
		filepath.Join(home, ".keybearer/engine.yaml"),
		filepath.Join(home, ".arcade/engine.yaml"),
		"/etc/keybearer/engine.yaml",
		"/etc/arcade-ai/engine.yaml",
		"/etc/arcade-engine/engine.yaml",
		"/opt/homebrew/etc/arcade-engine/engine.yaml",
		filepath.Join(brew, "etc/arcade-engine/engine.yaml"),
	}
	if diff := cmp.Diff(want, s.Places()); diff != "" {
		t.Fatalf("places (-want +got):\n%s", diff)
	}
	for i := len(want) - 1; i >= 0; i-- { // each new file is in a better place
		if strings.HasPrefix(want[i], "/etc") || strings.HasPrefix(want[i], "/opt") {
			continue
		}
		write(t, want[i], "telemetry: {version: '"+filepath.Dir(want[i])+"'}")
		if got := load(t, s).Telemetry.Version; got != filepath.Dir(want[i]) {
			t.Errorf("read the file in %s, want that in %s", got, filepath.Dir(want[i]))
		}
	}
	if got := load(t, s).File; got != "engine.yaml" {
		t.Errorf("messages call it %q, want engine.yaml", got)
	}
}

func TestNamedFileMustBeThere(t *testing.T) {
	s := source(t)
	s.Path = "conf/other.yaml"
	if got, want := refused(t, s), "conf/other.yaml: error: the file cannot be read: no such file or directory"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	write(t, filepath.Join(s.Dir, s.Path), "api: {prot: 1}")
	if got, want := refused(t, s), "conf/other.yaml:1:7: error: api.prot: unknown key"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want it to begin with %q", got, want)
	}
	write(t, filepath.Join(s.Dir, s.Path), "# "+strings.Repeat("x", 1<<20))
	if got, want := refused(t, s), "conf/other.yaml: error: the file is larger than 1024 KB"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEnvironmentFile(t *testing.T) {
	s := source(t)
	write(t, filepath.Join(s.Dir, "engine.yaml"), "api: {host: '${env:KB_HOST}', port: '${env:PORT}'}")
	write(t, filepath.Join(s.Dir, ".env"), "KB_HOST=from-dotenv\nPORT=1\nEMPTY=x\n")
	cfg := load(t, s)
	if cfg.API.Host != "from-dotenv" || cfg.EnvFile != ".env" {
		t.Errorf("host %q from %q, want that of .env", cfg.API.Host, cfg.EnvFile)
	}
	if cfg.API.Port != 8088 {
		t.Errorf("port %d, want 8088: the real environment wins", cfg.API.Port)
	}
	if got, ok := cfg.Env("EMPTY"); got != "" || !ok {
		t.Errorf("EMPTY is %q, want it empty: the real environment wins", got)
	}
	if got, _ := cfg.Env("KB_HOST"); got != "from-dotenv" {
		t.Errorf("KB_HOST is %q, want that of .env", got)
	}

	s.EnvFile = "engine.env"
	if got, want := refused(t, s), "engine.env: error: the environment file cannot be read: no such file or directory"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	write(t, filepath.Join(s.Dir, "engine.env"), "export KB_HOST=\"from engine.env\" # a comment\n")
	if got := load(t, s).API.Host; got != "from engine.env" {
		t.Errorf("host %q, want that of the named file alone", got)
	}
	write(t, filepath.Join(s.Dir, "engine.env"), "A=1\nB=2\nKB{SECRET="+canary+"\nC=3\n")
	got := refused(t, s)
	if want := "engine.env:3:1: error: this is not a line of an environment file"; !strings.HasPrefix(got, want) || strings.Contains(got, canary) {
		t.Errorf("got %q, want it to begin with %q and hold no value", got, want)
	}
	write(t, filepath.Join(s.Dir, "engine.env"), strings.Repeat("#", 1<<20))
	if got, want := refused(t, s), "engine.env: error: the environment file is larger than 64 KB"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestExpansions(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "conf/secret"), "from-file\r\n\n")
	write(t, filepath.Join(dir, "conf/large"), strings.Repeat("x", 64<<10+1))
	write(t, filepath.Join(dir, "conf/half"), strings.Repeat("x", 40<<10))
	for _, c := range []struct{ written, want, fault string }{
		{"plain $HOME {{x}} $", "plain $HOME {{x}} $", ""},
		{"${env:PORT}", "8088", ""},
		{"${env: PORT }", "8088", ""},
		{"a${env:PORT}-${env:PORT}b", "a8088-8088b", ""},
		{"${env:NOT_SET}x", "x", ""},
		{"${env:CANARY}${file:secret}", canary + "from-file\r\n", ""},
		{"${file: " + dir + "/conf/secret}", "from-file\r\n", ""},
		{"${PORT}", "${PORT}", ""},
		{"${secret:PORT}", "${secret:PORT}", ""},
		{"${env:PORT", "", "not closed"},
		{"${env:}", "", "names no variable"},
		{"${env:A B}", "", "names no variable"},
		{"${file:}", "", "names no file"},
		{"${file:missing}", "", `the file "missing" cannot be read`},
		{"${file:large}", "", `the file "large" is larger than 64 KB`},
		{"${file:half}${file:half}", "", "longer than 64 KB after expansion"},
		{"${file:.}", "", "not a regular file"},
	} {
		s := source(t)
		s.Dir = dir
		text := "auth: {providers: [{id: a, provider_id: atlassian, client_id: a, client_secret: '" + c.written + "'}]}"
		cfg, problems := config.Parse("conf/engine.yaml", []byte(text), s)
		if c.fault != "" {
			if err := problems.Err(); err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%s: got %v, want %q", c.written, err, c.fault)
			}
			continue
		}
		if cfg == nil {
			t.Errorf("%s: %v", c.written, problems.Err())
			continue
		}
		if got := cfg.Auth.Providers[0].ClientSecret.Reveal(); got != c.want {
			t.Errorf("%s became %q, want %q", c.written, got, c.want)
		}
	}
}

func TestDisabledProviderMayBeUnfinished(t *testing.T) {
	s := source(t)
	entry := `auth: {providers: [{id: a, enabled: %, client_id: '${env:NO_ID}', client_secret: '${file:/nowhere}',
  oauth2: {pkce: {enabled: '${env:CANARY}'}, authorize_request: {endpoint: '${env:NO_URL}'}}}]}`
	for enabled, want := range map[string]bool{"false": true, "'${env:OFF}'": true, "true": false, "'${env:NOT_SET}'": false} {
		s.LookupEnv = environment(map[string]string{"OFF": "0"})
		cfg, problems := config.Parse("engine.yaml", []byte(strings.Replace(entry, "%", enabled, 1)), s)
		if got := cfg != nil; got != want {
			t.Errorf("enabled %s: taken: %v, want %v: %v", enabled, got, want, problems)
		}
	}
}

func TestDatabasePath(t *testing.T) {
	s := source(t)
	s.LookupEnv = environment(map[string]string{"ARCADE_HOME": "/srv/arcade/"})
	s.DataDir = "/srv/data"
	for written, want := range map[string]string{
		"@DATA/a.db":                 "/srv/data/a.db",
		"@ARCADE_HOME/b.db":          "/srv/arcade/b.db",
		"file:@DATA/a.db?mode=rwc":   "/srv/data/a.db",
		"~/c.db":                     "/home/kb/c.db",
		"/var/lib/d.db":              "/var/lib/d.db",
		"e.db":                       filepath.Join(s.Dir, "e.db"),
		"${env:PORT}/f.db":           filepath.Join(s.Dir, "8088/f.db"),
		"${env:NOT_SET}":             "/srv/data/keybearer.sqlite3",
		"@ARCADE_HOME/deep/er/g.db3": "/srv/arcade/deep/er/g.db3",
	} {
		cfg, problems := config.Parse("engine.yaml", []byte("storage: {sqlite: {connection_string: '"+written+"'}}"), s)
		if cfg == nil {
			t.Errorf("%s: %v", written, problems)
			continue
		}
		if got := cfg.Storage.SQLite.ConnectionString; got != want {
			t.Errorf("%s became %q, want %q", written, got, want)
		}
	}
	cfg, _ := config.Parse("engine.yaml", []byte("storage: {sqlite: {connection_string: ':memory:'}}"), s)
	if cfg == nil || cfg.Storage.SQLite != nil || cfg.Storage.InMemory == nil {
		t.Errorf(":memory: became %+v, want in_memory", cfg)
	}
	_, problems := config.Parse("engine.yaml", []byte("storage: {sqlite: {connection_string: '@HOME/a.db'}}"), s)
	if err := problems.Err(); err == nil || !strings.Contains(err.Error(), "allowed: @DATA/, @ARCADE_HOME/") {
		t.Errorf("an unknown folder: %v", err)
	}
}

func TestDataFolder(t *testing.T) {
	s := source(t)
	text := []byte("storage: {data: from-file}")
	if cfg, _ := config.Parse("engine.yaml", text, s); cfg.DataDir != filepath.Join(s.Dir, "from-file") {
		t.Errorf("data folder %q, want that of the file", cfg.DataDir)
	}
	s.DataDir = "from-flag"
	if cfg, _ := config.Parse("engine.yaml", text, s); cfg.DataDir != filepath.Join(s.Dir, "from-flag") {
		t.Errorf("data folder %q, want that of the source", cfg.DataDir)
	}
}

func TestPublicOrigin(t *testing.T) {
	for _, c := range []struct {
		api  string
		want string
	}{
		{"{}", "http://localhost:9099"},
		{"{host: 0.0.0.0, port: 80}", "http://localhost:80"},
		{"{host: '::1', port: 0}", "http://[::1]:41999"},
		{"{public_host: keys.example.com}", "https://keys.example.com"},
		{"{public_host: 'localhost:9099'}", "http://localhost:9099"},
		{"{public_host: 'https://Keys.example.com:8443/'}", "https://keys.example.com:8443"},
		{"{public_host: 'https://example.com/arcade/'}", "https://example.com/arcade"},
		{"{public_host: 'http://10.0.0.1'}", "http://10.0.0.1"},
	} {
		cfg, problems := config.Parse("engine.yaml", []byte("api: "+c.api), source(t))
		if cfg == nil {
			t.Errorf("%s: %v", c.api, problems)
			continue
		}
		if got := cfg.API.PublicOrigin(41999); got != c.want {
			t.Errorf("%s: origin %q, want %q", c.api, got, c.want)
		}
	}
	for _, bad := range []string{"ftp://a.example", "https://", "https://a.example?x", "https://u:p@a.example", "https://a.example:", "a b"} {
		if cfg, _ := config.Parse("engine.yaml", []byte("api: {public_host: '"+bad+"'}"), source(t)); cfg != nil {
			t.Errorf("%q was taken as %q", bad, cfg.API.PublicHost)
		}
	}
}

func TestSingleRootKeyIsTheDefault(t *testing.T) {
	cfg, problems := config.Parse("engine.yaml", []byte("security: {root_keys: [{id: k, value: '0123456789abcdef'}]}"), source(t))
	if cfg == nil || !cfg.Security.RootKeys[0].Default {
		t.Errorf("root keys of %+v, %v; want the only one to be the default", cfg, problems)
	}
}

func TestPrintReportsAWriterThatFails(t *testing.T) {
	problems := config.Problems{{Message: "x"}}
	if err := problems.Print(full{}); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestProblemsAreBounded(t *testing.T) {
	_, problems := config.Parse("engine.yaml", []byte("auth: {providers: ["+strings.Repeat("x,", 500)+"]}"), source(t))
	if len(problems) != 101 || !strings.Contains(problems[100].Message, "more problems") || !problems.Failed() {
		t.Errorf("%d problems, the last %v; want 100 and how many more", len(problems), problems[len(problems)-1])
	}
}

func TestLargeFilesAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"many keys":      {"auth:\n" + manyKeys(20_000), "auth: 20000 keys are too many; allowed: at most 1000"},
		"many params":    {"auth: {providers: [{id: a, oauth2: {token_request: {params: {" + strings.ReplaceAll(manyKeys(1_001), "\n", ",") + "}}}}]}", "1001 keys are too many"},
		"many providers": {"auth: {providers: [" + strings.Repeat("{id: x},", 20_000) + "]}", "20000 entries are too many; allowed: at most 1000"},
		"deep":           {"x-a: " + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), "this is not YAML"},
		"wide merges":    {"x-a: &a {b: 1}\nauth:\n  <<: [" + strings.Repeat("*a,", 50_000) + "]", "more than 100000 values"},
		"long text":      {"telemetry: {environment: " + strings.Repeat("x", 200) + "}", "is too long; allowed: at most 100 characters"},
	} {
		_, problems := config.Parse("engine.yaml", []byte(c.text), source(t))
		if err := problems.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %.300v, want %q", name, err, c.want)
		}
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("  k" + strings.Repeat("y", i%7) + string(rune('a'+i%26)) + time.Duration(i).String() + ": 1\n")
	}
	return b.String()
}
