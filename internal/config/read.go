package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/keybearer/keybearer/internal/yamlpos"
)

// read makes a configuration of a text; no text makes the defaults.
func (s Source) read(name string, data []byte, env environment) (*Config, Problems) {
	cfg := &Config{File: name, EnvFile: env.path, lookup: env.lookup}
	setDefaults(reflect.ValueOf(cfg).Elem())
	d, problems := yamlpos.Parse(name, data)
	if d.Root == nil && problems.Failed() {
		return nil, quoteExpansions(problems, data).Sorted()
	}
	b := newBinder(d, newExpander(env.lookup, s.inDir(filepath.Dir(name))))
	b.problems = problems
	if d.Root != nil {
		b.bind(d.Root, "", reflect.ValueOf(cfg).Elem(), rules{})
	}
	c := checker{binder: b, source: s, cfg: cfg}
	c.api()
	c.auth()
	c.security()
	c.storage()
	c.tools()
	c.gateways()
	problems = b.problems.Sorted()
	for i, p := range problems {
		problems[i].Excerpt = b.Line(p.Position)
	}
	if problems.Failed() {
		return nil, problems
	}
	return cfg, problems
}

// quoteExpansions says what is most often wrong in a line with an expansion that is not YAML.
func quoteExpansions(problems Problems, data []byte) Problems {
	lines := strings.Split(string(data), "\n")
	for i, p := range problems {
		if p.Line > 0 && (strings.Contains(lines[p.Line-1], "${env: ") || strings.Contains(lines[p.Line-1], "${file: ")) {
			problems[i].Message += "; an expansion with a blank needs quotes around it"
		}
	}
	return problems
}

// checker looks at what one value alone does not show, once all are read.
type checker struct {
	*binder
	source Source
	cfg    *Config
}

// where is the deepest place on the way to a value that the file has, with its path. Elements that are
// numbers lead into lists.
func (b *binder) where(elements []string) (at place, path string, exact bool) {
	for _, element := range elements {
		next := yamlpos.Join(path, element)
		if _, err := strconv.Atoi(element); err == nil {
			if _, ok := b.places[next]; !ok {
				next = fmt.Sprintf("%s[%s]", path, element)
			}
		}
		found, ok := b.places[next]
		if !ok {
			return at, path, false
		}
		at, path = found, next
	}
	return at, path, true
}

// failedWithin reports whether something inside a value was unusable: then what is wrong with the
// value as a whole may only be a consequence.
func (b *binder) failedWithin(elements []string) bool {
	_, path, exact := b.where(elements)
	if !exact {
		return false
	}
	for at, p := range b.places {
		if p.failed && (strings.HasPrefix(at, path+".") || strings.HasPrefix(at, path+"[")) {
			return true
		}
	}
	return false
}

// report adds a problem about a value, at the value itself or at the nearest thing above it. A value
// that was already found unusable is not reported again.
func (c *checker) report(message string, warning bool, elements ...string) {
	at, _, exact := c.where(elements)
	if at.failed {
		return
	}
	n := at.value
	if !exact && at.key != nil {
		n = at.key
	}
	p := Problem{Position: Position{File: c.Name}, Path: pathOf(elements), Message: message, Warning: warning}
	if n != nil {
		p.Position = c.At(n)
	}
	if exact && !warning {
		p.Message += c.because(at)
	}
	c.problems = append(c.problems, p)
}

func (c *checker) wrong(message string, elements ...string) { c.report(message, false, elements...) }

func (c *checker) doubt(message string, elements ...string) { c.report(message, true, elements...) }

// shownAs is how a message calls a value of the file.
func (c *checker) shownAs(value string, elements ...string) string {
	if at, _, exact := c.where(elements); exact && len(at.refs) > 0 {
		return "the value of " + yamlpos.Quoted(strings.Join(at.refs, ""))
	}
	return yamlpos.Quoted(value)
}

// written reports whether the file itself has this key.
func (c *checker) written(elements ...string) bool {
	_, _, exact := c.where(elements)
	return exact
}

func pathOf(elements []string) string {
	path := ""
	for _, e := range elements {
		if _, err := strconv.Atoi(e); err == nil {
			path += "[" + e + "]"
			continue
		}
		path = yamlpos.Join(path, yamlpos.Key(e))
	}
	return path
}
