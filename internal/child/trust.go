package child

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// maxBundle bounds a file of certificates: the usual ones have a quarter of a megabyte.
const maxBundle = 16 << 20

// replacing are the variables that name the roots which a program trusts in place of its own. See
// docs/run-environment.md for who reads which.
func replacing() []string {
	return []string{
		"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE", "PIP_CERT",
		"CARGO_HTTP_CAINFO", "NIX_SSL_CERT_FILE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "BUNDLE_SSL_CA_CERT",
		"HEX_CACERTS_PATH", "HTTPLIB2_CA_CERTS", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", "PERL_LWP_SSL_CA_FILE", "npm_config_cafile",
	}
}

// adding are those that name roots which a program trusts beside its own.
func adding() []string { return []string{"NODE_EXTRA_CA_CERTS", "DENO_CERT"} }

// trust is the folder with the run's files of certificates, and which variable names which. There is no key in
// it. It is for its owner only, since whoever could write there would choose whom the child trusts.
type trust struct {
	folder string
	named  map[string]string
	store  string // for Java, "" if there is none
	wgetrc string // for wget, "" if there is none
}

func (t trust) set(v *variables) {
	for _, name := range append(replacing(), adding()...) {
		if file, ok := t.named[name]; ok {
			v.set(name, file)
		}
	}
	if t.wgetrc != "" {
		v.set("SYSTEM_WGETRC", t.wgetrc)
	}
}

// remove takes the folder away. Should that fail, what stays are public certificates, and the child's exit code is
// worth more than telling it.
func (t trust) remove() {
	if t.folder != "" {
		_ = os.RemoveAll(t.folder)
	}
}

// writeTrust writes, for each variable, what the user trusts there already with the run's certificates behind
// it. Where nothing is known of what a program trusts, its variable is left alone: the run's certificates
// in place of all others would cut it off from everything else.
func writeTrust(c Config) (trust, error) {
	if c.Proxy == nil || len(c.CA) == 0 {
		return trust{}, nil
	}
	folder, err := os.MkdirTemp("", "keybearer-run-") // 0700
	if err != nil {
		return trust{}, fmt.Errorf("making a folder for the run's certificates: %w; free some space there, or set TMPDIR to another folder", err)
	}
	w := newWriter(c, folder)
	if err := w.write(); err != nil {
		w.remove()
		return trust{}, fmt.Errorf("writing the run's certificates: %w; free some space there, or set TMPDIR to another folder", err)
	}
	return w.trust, nil
}

func newWriter(c Config, folder string) *writer {
	return &writer{trust: trust{folder: folder, named: map[string]string{}}, ca: c.CA, env: parse(c.Env), read: map[string][]byte{}, written: map[string]string{}}
}

// Surroundings are the variables that a program behind c.Proxy needs, for who starts it without [Run]. The files of
// certificates that they name are written into a folder that is there, and stay.
func Surroundings(c Config, folder string) ([]string, error) {
	w := newWriter(c, folder)
	if err := w.write(); err != nil {
		return nil, fmt.Errorf("writing certificates: %w", err)
	}
	c.Env = nil
	return environment(c, w.trust), nil
}

type writer struct {
	trust
	ca      []byte
	env     *variables
	read    map[string][]byte // source to what is in it
	written map[string]string // the same to the file made of it
}

func (w *writer) write() error {
	roots := w.general()
	for _, name := range replacing() {
		found := w.certificates(w.env.get(name))
		if found == nil {
			found = roots
		}
		if found == nil {
			continue
		}
		if err := w.name(name, found); err != nil {
			return err
		}
	}
	for _, name := range adding() {
		if err := w.name(name, w.certificates(w.env.get(name))); err != nil {
			return err
		}
	}
	if roots == nil {
		return nil
	}
	w.store = filepath.Join(w.folder, "roots.p12")
	if err := os.WriteFile(w.store, trustStore(slices.Concat(roots, w.ca)), 0o600); err != nil {
		return err
	}
	return w.writeWgetrc()
}

// writeWgetrc gives wget a system-wide start-up file, the one that the system has and a line: wget takes its
// roots from no variable.
func (w *writer) writeWgetrc() error {
	w.wgetrc = filepath.Join(w.folder, "wgetrc")
	var text []byte
	for _, file := range []string{w.env.get("SYSTEM_WGETRC"), "/etc/wgetrc", "/usr/local/etc/wgetrc", "/opt/homebrew/etc/wgetrc"} {
		if text = readBundle(file); text != nil {
			break
		}
	}
	text = append(text, "\nca_certificate = "+w.named["SSL_CERT_FILE"]+"\n"...)
	return os.WriteFile(w.wgetrc, text, 0o600)
}

// general finds what is trusted where a program has no variable of its own: the user's SSL_CERT_FILE,
// or the system's file.
func (w *writer) general() []byte {
	for _, source := range append([]string{w.env.get("SSL_CERT_FILE"), w.env.get("NIX_SSL_CERT_FILE")}, systemRoots()...) {
		if roots := w.certificates(source); roots != nil {
			return roots
		}
	}
	return nil
}

// name lets a variable name a file with what was found for it and the run's certificates.
func (w *writer) name(variable string, found []byte) error {
	file, ok := w.written[string(found)]
	if !ok {
		file = filepath.Join(w.folder, "roots-"+strconv.Itoa(len(w.written))+".pem")
		if err := os.WriteFile(file, slices.Concat(found, w.ca), 0o600); err != nil {
			return err
		}
		w.written[string(found)] = file
	}
	w.named[variable] = file
	return nil
}

func (w *writer) certificates(source string) []byte {
	found, ok := w.read[source]
	if !ok {
		found = certificates(source)
		w.read[source] = found
	}
	return found
}

// certificates gives what is in a file of certificates, or in the files of a folder (requests takes one,
// too), or nil if there is no certificate: then the variable points nowhere, as stale ones do.
func certificates(source string) []byte {
	info, err := os.Stat(source)
	if source == "" || err != nil {
		return nil
	}
	files := []string{source}
	if info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(source, "*")); err != nil {
			return nil
		}
	}
	var all []byte
	for _, file := range files {
		if text := readBundle(file); len(all)+len(text) <= maxBundle && bytes.Contains(text, []byte("-----BEGIN CERTIFICATE-----")) {
			all = append(slices.Concat(all, text), '\n')
		}
	}
	return all
}

// readBundle gives the text of a file, or nil if that is none, or too long.
func readBundle(file string) []byte {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxBundle {
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	text := make([]byte, info.Size(), info.Size()+1) // room for a line end
	if _, err := io.ReadFull(f, text); err != nil {
		return nil
	}
	return text
}

// ders gives the certificates of a text in PEM, as bytes.
func ders(text []byte) [][]byte {
	var all [][]byte
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return all
		}
		if block.Type == "CERTIFICATE" {
			all = append(all, block.Bytes)
		}
	}
}

// systemRoots are the places where systems keep their roots in one file: those that Go's crypto/x509 looks
// at (root_linux.go, root_bsd.go), and NixOS's.
func systemRoots() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Gentoo, Arch
		"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/pki/tls/cacert.pem",                           // OpenELEC
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL
		"/etc/ssl/certs/ca-bundle.crt",                      // NixOS
		"/etc/ssl/cert.pem",                                 // Alpine, macOS, OpenBSD
		"/usr/local/etc/ssl/cert.pem",                       // FreeBSD
		"/usr/local/share/certs/ca-root-nss.crt",            // FreeBSD, DragonFly
		"/etc/openssl/certs/ca-certificates.crt",            // NetBSD
	}
}
