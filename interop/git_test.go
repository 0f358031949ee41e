package interop_test

import (
	"encoding/base64"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// serveGit serves two repositories by git's own server (git-http-backend(1)), to whom comes with Basic.
func (o *office) serveGit(t *testing.T) {
	t.Helper()
	root := t.TempDir()
	for _, line := range []string{
		"git init -q --bare house.git", "git -C house.git config http.receivepack true",
		"git init -q seed", "git -C seed commit -q --allow-empty -m tea", "git -C seed push -q ../house.git HEAD:refs/heads/main",
		"git -C house.git symbolic-ref HEAD refs/heads/main", "git clone -q --bare house.git tea/house.git",
	} {
		cmd := exec.Command("/bin/sh", "-c", line)
		cmd.Dir, cmd.Env = root, gitAuthor()
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", line, err, said)
		}
	}
	core, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(core)), "git-http-backend"), Root: "/", Dir: root,
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=me"},
	}
	asking := func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="forge"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}
	o.mux.HandleFunc("/house.git/", asking)
	o.mux.HandleFunc("/tea/house.git/", asking)
}

func gitAuthor() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=me", "GIT_AUTHOR_EMAIL=me@tea.example", "GIT_COMMITTER_NAME=me", "GIT_COMMITTER_EMAIL=me@tea.example",
	}
}

// gitWorks: clone and push, with nothing set up but the run.
func gitWorks(t *testing.T, l *laptop) {
	need(t, partGit)
	l.serveGit(t)
	t.Run("forge", func(t *testing.T) { forgeWorks(t, l) })
	t.Run("github", func(t *testing.T) { gitHubWorks(t, l) })
}

func forgeWorks(t *testing.T, l *laptop) {
	dir := t.TempDir()
	with := l.with(append(gitAuthor(), "GIT_TERMINAL_PROMPT=0")...)
	r := with.runs(t, "/bin/sh", "-ec", `
		git clone -q https://`+gitHost+`/house.git "$0/house"
		cd "$0/house"
		git commit -q --allow-empty -m oolong
		git push -q origin HEAD:refs/heads/oolong
		git ls-remote --heads origin`, dir)
	if r.code != 0 || strings.Count(r.stdout, "refs/heads/") != 2 {
		t.Errorf("got code %d and %q, want two branches\n%s", r.code, r.stdout, r.stderr)
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(l.keys.of("forge")+":"))
	l.saw(t, 3, gitHost, "/house.git/info/refs", want)       // to clone, to push, to list
	l.saw(t, 3, gitHost, "/house.git/git-upload-pack", want) // to clone it asks twice, by version 2 of its protocol
	l.sawOnce(t, gitHost, "/house.git/git-receive-pack", want)
}

// gitHubWorks: at GitHub, as it is known here, git asks without a credential first, and then with the placeholder that a
// helper gives it, as gh does.
func gitHubWorks(t *testing.T, l *laptop) {
	helper := `credential.helper=!f() { echo username=x-access-token; echo "password=$GH_TOKEN"; }; f`
	with := l.with(append(gitAuthor(), "GIT_TERMINAL_PROMPT=0")...)
	r := with.runs(t, "git", "-c", helper, "clone", "-q", "https://"+gitHubHost+"/tea/house.git", filepath.Join(t.TempDir(), "house"))
	if r.code != 0 {
		t.Errorf("got code %d\n%s", r.code, r.stderr)
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+l.keys.of("github")))
	l.saw(t, 2, gitHubHost, "/tea/house.git/git-upload-pack", want)
	asked := l.visits("/tea/house.git/info/refs")
	if len(asked) != 2 || asked[0].authorization != "" || asked[1].authorization != want {
		t.Errorf("%d requests for what there is, want one without and one with the credential", len(asked))
	}
}
