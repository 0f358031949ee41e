package yamlpos

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// maxNodes bounds a document with its aliases written out, so that a short file cannot mean a huge one.
const maxNodes = 100_000

// Document is a parsed file.
type Document struct {
	// Name stands for the file in positions.
	Name string
	// Root is what the file says; nil when it says nothing, or could not be parsed.
	Root *yaml.Node

	lines   []string
	scalars []*yaml.Node // every scalar, keys included, in the order of the file
	keys    map[*yaml.Node]bool
}

// Parse reads one YAML document. Its problems are those of the text: encoding, syntax, aliases that
// multiply, keys that come twice, a second document.
func Parse(name string, data []byte) (*Document, Problems) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	d := &Document{Name: name, lines: strings.Split(string(data), "\n"), keys: map[*yaml.Node]bool{}}
	if p := d.encoding(data); p != nil {
		return d, Problems{*p}
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return d, Problems{d.syntax(err)}
	}
	var file, second yaml.Node
	switch err := loader.Load(&file); {
	case errors.Is(err, io.EOF):
		return d, nil
	case err != nil:
		return d, Problems{d.syntax(err)}
	}
	switch err := loader.Load(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return d, Problems{d.syntax(err)}
	default:
		return d, Problems{{Position: d.At(&second), Message: "a second YAML document begins here; write one document only"}}
	}
	c := census{Document: d, sizes: map[*yaml.Node]int{}}
	size := c.count(&file)
	switch {
	case c.cycle != nil:
		return d, Problems{{Position: d.At(c.cycle), Message: "this alias contains itself"}}
	case size > maxNodes:
		return d, Problems{{Position: Position{File: name}, Message: fmt.Sprintf(
			"the file means more than %d values once its aliases are written out", maxNodes)}}
	}
	d.Root = file.Content[0]
	return d, c.problems
}

// At is where a node begins. What the file leaves out at its very end has a place behind it.
func (d *Document) At(n *yaml.Node) Position {
	if last := len(d.lines); n.Line > last {
		return Position{File: d.Name, Line: last, Column: utf8.RuneCountInString(d.lines[last-1]) + 1}
	}
	return Position{File: d.Name, Line: n.Line, Column: n.Column}
}

// encoding refuses what is not text, with a position that the YAML parser does not give. Line ends
// that editors do not count are refused, too: positions and excerpts rely on the count.
func (d *Document) encoding(data []byte) *Problem {
	line, column := 1, 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		data = data[size:]
		message := ""
		switch {
		case r == utf8.RuneError && size == 1:
			message = "this is not UTF-8 text"
		case r == '\r' && !bytes.HasPrefix(data, []byte("\n")), r == '\u0085', r == '\u2028', r == '\u2029':
			message = fmt.Sprintf("%U is not a line end here; use a plain new line", r)
		case r < ' ' && r != '\n' && r != '\r' && r != '\t', r == 0x7f:
			message = fmt.Sprintf("the control character %U is not allowed", r)
		}
		if message != "" {
			return &Problem{Position: Position{d.Name, line, column}, Message: message}
		}
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return nil
}

// syntax turns the parser's error into a problem. Some of its messages quote the text, which may be
// a secret; those are replaced.
func (d *Document) syntax(err error) Problem {
	p := Problem{Position: Position{File: d.Name}, Message: "this is not YAML"}
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		return p
	}
	p.Line, p.Column = e.Mark.Line, e.Mark.Column
	switch {
	case strings.HasPrefix(e.Message, "unknown anchor"):
		p.Message = "this alias has no anchor; a text that begins with * needs quotes"
	case e.Stage == "resolver" || e.Stage == "constructor" || e.Stage == "composer":
		p.Message = "this value does not fit its tag"
	case e.ContextMsg != "":
		p.Message = fmt.Sprintf("this is not YAML: %s, %s", e.ContextMsg, e.Message)
	default:
		p.Message = "this is not YAML: " + e.Message
	}
	if p.Line >= len(d.lines) && e.ContextMark.Line > 0 { // what was open until the very end
		p.Line, p.Column = e.ContextMark.Line, e.ContextMark.Column
	}
	p.Line = min(p.Line, len(d.lines))
	if p.Line > 0 {
		if strings.Contains(d.lines[p.Line-1], "\t") {
			p.Message += "; YAML is indented with spaces, not tabs"
		}
		p.Excerpt = keyOnly(d.lines[p.Line-1])
	}
	return p
}

// census walks a document once: it counts the nodes with aliases written out, notes the scalars and
// finds keys that come twice.
type census struct {
	*Document
	sizes    map[*yaml.Node]int // -1 while the node is being counted
	cycle    *yaml.Node
	problems Problems
}

func (c *census) count(n *yaml.Node) int {
	if size, ok := c.sizes[n]; ok {
		return size
	}
	c.sizes[n] = -1
	size := 1
	switch n.Kind {
	case yaml.AliasNode:
		if size = c.count(n.Alias); size < 0 {
			c.cycle, size = n, 1
		}
	case yaml.ScalarNode:
		c.scalars = append(c.scalars, n)
	case yaml.MappingNode:
		c.duplicates(n)
	}
	for _, child := range n.Content {
		size = min(size+c.count(child), maxNodes+1)
	}
	c.sizes[n] = size
	return size
}

func (c *census) duplicates(n *yaml.Node) {
	first := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			continue
		}
		c.keys[key] = true
		if before := first[key.Value]; before != nil {
			c.problems = append(c.problems, Problem{
				Position: c.At(key),
				Message:  fmt.Sprintf("the key %s is here twice, first in line %d; keep one", Quoted(key.Value), before.Line),
			})
			continue
		}
		first[key.Value] = key
	}
}
