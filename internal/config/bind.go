package config

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/keybearer/keybearer/internal/yamlpos"
	"github.com/keybearer/keybearer/oauth"
)

// binder reads a document into a [Config]. It goes on after a problem, so that all are found.
type binder struct {
	yamlpos.Excerpts
	*expander
	problems Problems
	places   map[string]place // by key path, with the keys of today
	quiet    bool             // inside a disabled entry: what came from an expansion may be anything
	patterns map[string]*regexp.Regexp

	placeholder *regexp.Regexp // {{name}}
}

// place is where a value was read.
type place struct {
	key, value *yaml.Node // key is nil for an item of a list
	refs       []string   // expansions in the value
	unset      []string   // variables without a value among them
	failed     bool       // the value was not usable
}

func newBinder(d *yamlpos.Document, x *expander) *binder {
	return &binder{
		Excerpts: yamlpos.NewExcerpts(d),
		expander: x,
		places:   map[string]place{},
		patterns: map[string]*regexp.Regexp{},

		placeholder: regexp.MustCompile(`\{\{[^{}]*\}\}`),
	}
}

func (b *binder) fail(n *yaml.Node, path, message string) {
	b.problems = append(b.problems, Problem{Position: b.At(n), Path: path, Message: message})
}

// refuse reports a value that is not usable, and remembers it: what follows from it is not reported.
func (b *binder) refuse(n *yaml.Node, path, message string) {
	p := b.places[path]
	p.failed = true
	b.places[path] = p
	b.fail(n, path, message)
}

func (b *binder) warn(n *yaml.Node, path, message string) {
	b.problems = append(b.problems, Problem{Position: b.At(n), Path: path, Message: message, Warning: true})
}

// bind reads a node into a variable whose defaults are already set. Null leaves it as it is.
func (b *binder) bind(n *yaml.Node, path string, v reflect.Value, r rules) {
	n = yamlpos.Resolve(n)
	if yamlpos.Null(n) {
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		setDefaults(v.Elem())
		b.bind(n, path, v.Elem(), r)
		return
	}
	if expr, ok := v.Addr().Interface().(*oauth.Expr); ok {
		b.expression(n, path, expr)
		return
	}
	if single(v) {
		b.scalar(n, path, v, r)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		b.mapping(n, path, v)
	case reflect.Map:
		b.open(n, path, v)
	case reflect.Slice:
		b.list(n, path, v, r)
	default:
		panic("config: no rule for " + v.Type().String()) // a programmer's mistake, met by every test
	}
}

// mapping reads the keys of a struct.
func (b *binder) mapping(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		b.mismatch(n, path, "a mapping (lines of key: value)")
		return
	}
	entries := b.modernize(path, v.Type(), b.entries(n, path))
	if (v.Type() == reflect.TypeFor[Provider]() || v.Type() == reflect.TypeFor[Worker]()) && b.disabled(entries) {
		b.quiet = true
		defer func() { b.quiet = false }()
	}
	known := fields(v.Type())
	names := make([]string, len(known))
	for i, f := range known {
		names[i] = f.name
	}
	for _, e := range entries {
		i := slices.Index(names, e.name)
		if i < 0 {
			b.unknown(e, path, v.Type(), names)
			continue
		}
		b.places[yamlpos.Join(path, e.name)] = place{key: e.key, value: yamlpos.Resolve(e.value)}
		b.bind(e.value, yamlpos.Join(path, e.name), v.FieldByIndex(known[i].index), known[i].rules)
	}
	for _, f := range known {
		if f.rules.required {
			b.require(n, yamlpos.Join(path, f.name), v.FieldByIndex(f.index), entries)
		}
	}
}

// require reports a required key that is absent, or empty after expansion.
func (b *binder) require(n *yaml.Node, path string, v reflect.Value, entries []entry) {
	p := b.places[path]
	switch {
	case p.value == nil || yamlpos.Null(p.value):
		b.refuse(n, path, "this key is required"+b.onlySeen(entries))
	case p.failed || b.quiet || v.Type() == secretType() || !v.IsZero() || len(p.refs) == 0:
	default:
		b.refuse(p.value, path, "a value is needed"+b.because(p))
	}
}

// unknown reports a key that is not ours. At the top of the file other products' sections may stand,
// so only what looks like a slip is an error there.
func (b *binder) unknown(e entry, path string, t reflect.Type, names []string) {
	if t == reflect.TypeFor[Config]() {
		switch near := yamlpos.Nearest(e.name, names); {
		case strings.HasPrefix(e.name, "x-"): // a shelf for anchors, as in other YAML formats
			return
		case near == "":
			b.warn(e.key, yamlpos.Key(e.path), notOurs)
			return
		}
	}
	b.fail(e.key, yamlpos.Join(path, e.path), "unknown key"+yamlpos.Choices(e.name, names))
}

// open reads a map whose keys are free.
func (b *binder) open(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		b.mismatch(n, path, "a mapping (lines of key: value)")
		return
	}
	entries := b.entries(n, path)
	v.Set(reflect.MakeMapWithSize(v.Type(), len(entries)))
	for _, e := range entries {
		at := yamlpos.Join(path, e.name)
		value := yamlpos.Resolve(e.value)
		b.places[at] = place{key: e.key, value: value}
		item := reflect.New(v.Type().Elem()).Elem()
		if sensitive(path, e.name) && !b.template(value.Value) {
			b.Hidden[value] = true
		}
		b.bind(value, at, item, rules{maxLength: maxText, maxItems: maxEntries})
		v.SetMapIndex(reflect.ValueOf(e.name).Convert(v.Type().Key()), item)
	}
}

// list reads a sequence.
func (b *binder) list(n *yaml.Node, path string, v reflect.Value, r rules) {
	if n.Kind != yaml.SequenceNode {
		b.mismatch(n, path, `a list (lines that begin with "- ")`)
		return
	}
	if len(n.Content) > r.maxItems {
		b.refuse(n, path, fmt.Sprintf("%d entries are too many; allowed: at most %d", len(n.Content), r.maxItems))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		item = yamlpos.Resolve(item)
		b.places[at] = place{value: item}
		if yamlpos.Null(item) {
			b.refuse(item, at, "this entry is empty; fill it in or remove it")
			continue
		}
		setDefaults(v.Index(i))
		b.bind(item, at, v.Index(i), rules{maxLength: maxText, maxItems: maxEntries})
	}
}

// disabled reports whether a provider entry says enabled: false.
func (b *binder) disabled(entries []entry) bool {
	for _, e := range entries {
		if e.name != "enabled" || yamlpos.Resolve(e.value).Kind != yaml.ScalarNode {
			continue
		}
		on, err := parseBool(b.expand(yamlpos.Resolve(e.value).Value).asBool().text)
		return err == nil && !on
	}
	return false
}

// onlySeen helps to find an entry by the first of its keys.
func (b *binder) onlySeen(entries []entry) string {
	if len(entries) == 0 {
		return ""
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.path)
	}
	return "; found only: " + strings.Join(names[:min(len(names), 12)], ", ")
}

func (b *binder) mismatch(n *yaml.Node, path, wanted string) {
	message := fmt.Sprintf("expected %s, found %s", wanted, yamlpos.KindName(n))
	if n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0 && len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode {
		message += `; a value that begins with {{ needs quotes: "{{client_id}}"`
	}
	b.refuse(n, path, message)
}

// single reports whether a variable takes one scalar.
func single(v reflect.Value) bool {
	if _, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return true
	}
	switch v.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64:
		return true
	}
	return v.Type() == secretType()
}
