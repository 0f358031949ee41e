package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/keybearer/keybearer/internal/yamlpos"
)

// binder reads a document into a [File]. It goes on after a problem, so that all are found.
type binder struct {
	yamlpos.Excerpts
	problems yamlpos.Problems
	places   map[string]*yaml.Node // by path: rules[0].hosts[1]
	failed   map[string]bool       // paths whose value was not usable
}

func newBinder(d *yamlpos.Document) *binder {
	return &binder{Excerpts: yamlpos.NewExcerpts(d), places: map[string]*yaml.Node{}, failed: map[string]bool{}}
}

// refuse reports a value that is not usable; what follows from it is not reported.
func (b *binder) refuse(n *yaml.Node, path, message string) {
	b.failed[path] = true
	b.problems = append(b.problems, yamlpos.Problem{Position: b.At(n), Path: path, Message: message})
}

// mapping reads the keys of a struct.
func (b *binder) mapping(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		b.mismatch(n, path, "a mapping (lines of key: value)")
		return
	}
	known := keys(v.Type())
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i]
		if name.Kind != yaml.ScalarNode {
			b.refuse(name, path, "a key must be a single text")
			continue
		}
		at := yamlpos.Join(path, yamlpos.Key(name.Value))
		j := slices.IndexFunc(known, func(k key) bool { return k.name == name.Value })
		if j < 0 {
			b.refuse(name, at, "unknown key"+yamlpos.Choices(name.Value, names(known)))
			continue
		}
		b.value(yamlpos.Resolve(n.Content[i+1]), at, v.Field(known[j].index), known[j])
	}
	for _, k := range known {
		if at := yamlpos.Join(path, k.name); k.required && b.places[at] == nil {
			b.refuse(n, at, "this key is required")
		}
	}
}

// value reads what stands behind a key. Nothing is no value: in a rule it would widen what the rule fits.
func (b *binder) value(n *yaml.Node, path string, v reflect.Value, k key) {
	b.places[path] = n
	switch {
	case yamlpos.Null(n):
		b.refuse(n, path, "this key has no value; fill it in or remove it")
	case v.Kind() == reflect.Slice:
		b.list(n, path, v, k)
	default:
		b.scalar(n, path, v, k)
	}
}

// list reads a sequence of texts or of mappings.
func (b *binder) list(n *yaml.Node, path string, v reflect.Value, k key) {
	rules := v.Type().Elem().Kind() == reflect.Struct
	switch {
	case n.Kind != yaml.SequenceNode:
		b.mismatch(n, path, `a list (lines that begin with "- ")`)
		return
	case len(n.Content) > k.maxItems:
		b.refuse(n, path, fmt.Sprintf("%d entries are too many; allowed: at most %d", len(n.Content), k.maxItems))
		return
	case len(n.Content) == 0 && !rules:
		b.refuse(n, path, "this list is empty and would fit nothing; leave the key out to fit everything")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		item = yamlpos.Resolve(item)
		b.places[at] = item
		switch {
		case yamlpos.Null(item):
			b.refuse(item, at, "this entry is empty; fill it in or remove it")
		case rules:
			b.mapping(item, at, v.Index(i))
		default:
			b.scalar(item, at, v.Index(i), key{minLength: 1, maxLength: maxText})
		}
	}
}

// scalar reads one value as the type of the variable, and compares it with the tag's bounds.
func (b *binder) scalar(n *yaml.Node, path string, v reflect.Value, k key) {
	if n.Kind != yaml.ScalarNode {
		b.mismatch(n, path, "a single value")
		return
	}
	if n.Style&yaml.TaggedStyle != 0 {
		b.refuse(n, path, "tags are not supported; write the value without one")
		return
	}
	b.Shown[n] = true
	if v.Kind() != reflect.String && n.ShortTag() == "!!str" && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		b.refuse(n, path, "this is in quotes, and so a text; write the value without them")
		return
	}
	if problem := set(v, n.Value, k); problem != "" {
		b.refuse(n, path, yamlpos.Quoted(n.Value)+" "+problem)
	}
}

// set reads the text into the variable; the answer goes on after the value, and says what it is not.
func set(v reflect.Value, text string, k key) string {
	switch v.Kind() {
	case reflect.Bool:
		return setBool(v, text)
	case reflect.Int:
		return setInt(v, text, k)
	}
	length := utf8.RuneCountInString(text)
	switch {
	case len(k.enum) > 0 && !slices.Contains(k.enum, text):
		if meant := synonym(text); slices.Contains(k.enum, meant) {
			return fmt.Sprintf("is not known; did you mean %q? allowed: %s", meant, strings.Join(k.enum, ", "))
		}
		return "is not known" + yamlpos.Choices(text, k.enum)
	case length < k.minLength:
		return "is empty; a value is needed"
	case length > k.maxLength:
		return fmt.Sprintf("is too long; allowed: at most %d characters", k.maxLength)
	}
	v.SetString(text)
	return ""
}

// synonym is the verdict that people mean who know the words of other tools.
func synonym(word string) string {
	switch strings.ToLower(word) {
	case "deny", "block", "reject", "forbid", "drop":
		return string(Refuse)
	case "permit", "accept":
		return string(Allow)
	case "prompt", "confirm", "approve":
		return string(Ask)
	case "passthrough", "pass", "bypass":
		return string(Tunnel)
	}
	return ""
}

func setBool(v reflect.Value, text string) string {
	switch text {
	case "true", "True", "TRUE":
		v.SetBool(true)
	case "false", "False", "FALSE":
		v.SetBool(false)
	default:
		return "is not a boolean; allowed: true, false"
	}
	return ""
}

func setInt(v reflect.Value, text string, k key) string {
	allowed := fmt.Sprintf("allowed: %d to %d", k.minimum, k.maximum)
	if k.minimum == k.maximum {
		allowed = fmt.Sprintf("allowed: %d", k.minimum)
	}
	number, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return "is not a whole number; " + allowed
	case number < k.minimum || number > k.maximum:
		return "is out of range; " + allowed
	}
	v.SetInt(int64(number))
	return ""
}

func (b *binder) mismatch(n *yaml.Node, path, wanted string) {
	b.refuse(n, path, fmt.Sprintf("expected %s, found %s", wanted, yamlpos.KindName(n)))
}
