package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/keybearer/keybearer/internal/yamlpos"
)

// maxExpanded bounds a value after expansion, and so a file that ${file:PATH} names.
const maxExpanded = 64 << 10

// expander replaces ${env:NAME} and ${file:PATH}.
type expander struct {
	lookup    func(string) (string, bool)
	dir       string // relative paths start here: the folder of the configuration
	files     map[string]fileText
	revealed  []string // what came out, where it is long enough to be told from other text
	reference *regexp.Regexp
	variable  *regexp.Regexp
}

func newExpander(lookup func(string) (string, bool), dir string) *expander {
	return &expander{
		lookup:    lookup,
		dir:       dir,
		files:     map[string]fileText{},
		reference: regexp.MustCompile(`\$\{(env|file):([^}]*)\}`),
		variable:  regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`),
	}
}

type fileText struct {
	text string
	err  error
}

// expanded is a scalar after expansion.
type expanded struct {
	text  string
	refs  []string // the references as written, "${env:PORT}"
	unset []string // names of variables that have no value
	fault string   // why an expansion was not possible; holds no value
}

// whole reports whether the written text is one reference and nothing else.
func (x expanded) whole(written string) bool { return len(x.refs) == 1 && x.refs[0] == written }

// expand replaces the references of a text; a blank after the colon is tolerated.
func (e *expander) expand(written string) expanded {
	out := expanded{text: written}
	if !strings.Contains(written, "${") {
		return out
	}
	var b strings.Builder
	rest := written
	for _, m := range e.reference.FindAllStringSubmatchIndex(written, -1) {
		begin := len(written) - len(rest)
		b.WriteString(written[begin:m[0]])
		rest = written[m[1]:]
		out.refs = append(out.refs, written[m[0]:m[1]])
		value := e.resolve(written[m[2]:m[3]], strings.TrimSpace(written[m[4]:m[5]]), &out)
		if len(value) >= 4 {
			e.revealed = append(e.revealed, value)
		}
		b.WriteString(value)
		if b.Len() > maxExpanded {
			out.fault = fmt.Sprintf("the value is longer than %d KB after expansion", maxExpanded>>10)
			out.text = ""
			return out
		}
	}
	literal := e.reference.ReplaceAllString(written, "")
	if strings.Contains(literal, "${env:") || strings.Contains(literal, "${file:") {
		out.fault = "an expansion is not closed; write ${env:NAME} or ${file:PATH}"
	}
	b.WriteString(rest)
	out.text = b.String()
	return out
}

func (e *expander) resolve(kind, name string, out *expanded) string {
	if kind == "file" {
		file := e.file(name)
		if file.err != nil {
			out.fault = file.err.Error()
		}
		return file.text
	}
	if !e.variable.MatchString(name) {
		out.fault = "an expansion names no variable; write ${env:NAME} with letters, digits and underscores"
		return ""
	}
	value, ok := e.lookup(name)
	if !ok || value == "" {
		out.unset = append(out.unset, name)
	}
	return value
}

func (e *expander) file(path string) fileText {
	if found, ok := e.files[path]; ok {
		return found
	}
	var found fileText
	found.text, found.err = e.readValue(path)
	e.files[path] = found
	return found
}

// readValue reads a file that holds one value, without its last line end. Only regular files are
// read: a pipe could block the start for ever.
func (e *expander) readValue(path string) (string, error) {
	if path == "" {
		return "", errors.New("an expansion names no file; write ${file:PATH}")
	}
	real := path
	if !filepath.IsAbs(path) {
		real = filepath.Join(e.dir, path)
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", fmt.Errorf("the file %q cannot be read: %w", path, yamlpos.Reason(err))
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%q is not a regular file", path)
	}
	data, err := yamlpos.ReadFile(real, maxExpanded)
	if err != nil {
		return "", fmt.Errorf("the file %q %w", path, err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), nil
}
