package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/keybearer/keybearer/internal/yamlpos"
	"github.com/keybearer/keybearer/secret"
)

func secretType() reflect.Type { return reflect.TypeFor[secret.String]() }

// scalar reads one value: expands it, then reads it as the type of the variable.
func (b *binder) scalar(n *yaml.Node, path string, v reflect.Value, r rules) {
	if n.Kind != yaml.ScalarNode {
		b.mismatch(n, path, "a single value")
		return
	}
	if n.Style&yaml.TaggedStyle != 0 && n.ShortTag() != "!!str" {
		b.refuse(n, path, "tags are not supported; write the value without one")
		return
	}
	x := b.expand(n.Value)
	p := b.places[path]
	p.refs, p.unset = x.refs, x.unset
	b.places[path] = p
	b.show(n, path, v, x)
	problem := x.fault
	if problem == "" && x.text == "" && len(x.refs) > 0 {
		return // an unset variable is an absent value: the default holds
	}
	if problem == "" {
		if v.Kind() == reflect.Bool {
			x = x.asBool()
		}
		problem = b.check(x.text, v, r)
		if problem != "" {
			problem = b.found(n, v, x) + " " + problem
		}
	}
	if problem == "" {
		b.lookalike(n, path, x)
		return
	}
	if b.quiet && len(x.refs) > 0 {
		return
	}
	b.refuse(n, path, problem+b.because(p))
}

// text reads one text without rules of its own.
func (b *binder) text(n *yaml.Node, path string, into *string) {
	if yamlpos.Null(n) {
		return
	}
	b.scalar(n, path, reflect.ValueOf(into).Elem(), rules{maxLength: maxText})
}

// show decides whether an excerpt may hold the value.
func (b *binder) show(n *yaml.Node, path string, v reflect.Value, x expanded) {
	switch {
	case x.whole(n.Value): // names a variable or a file, which is no secret
		b.Shown[n] = true
	case v.Type() == secretType():
		b.Hidden[n] = true
	case strings.HasSuffix(path, ".auth_header_value_format") && !b.template(n.Value):
		b.Hidden[n] = true
	default:
		b.Shown[n] = true
	}
}

// check reads the text and compares it with the rules. The answer goes on after the value found:
// "is not a boolean; allowed: true, false". It does not repeat the value.
func (b *binder) check(text string, v reflect.Value, r rules) string {
	if problem := set(v, text, r); problem != "" {
		return problem
	}
	if v.Kind() != reflect.String && v.Type() != secretType() {
		return ""
	}
	length := utf8.RuneCountInString(text)
	switch {
	case len(r.enum) > 0 && !slices.Contains(r.enum, text):
		return "is not known" + yamlpos.Choices(text, r.enum)
	case length < r.minLength:
		return "is empty; a value is needed"
	case length > r.maxLength:
		return fmt.Sprintf("is too long; allowed: at most %d characters", r.maxLength)
	case r.pattern != "" && !b.regexp(r.pattern).MatchString(text):
		return "has a character that is not allowed; allowed: " + alphabet(r.pattern)
	}
	return ""
}

func (b *binder) regexp(pattern string) *regexp.Regexp {
	if b.patterns[pattern] == nil {
		b.patterns[pattern] = regexp.MustCompile(pattern)
	}
	return b.patterns[pattern]
}

// alphabet words a pattern of the kinds ^[a-z0-9_-]+$ and ^[a-z0-9][a-z0-9_-]*$, the only ones that our
// tags have.
func alphabet(pattern string) string {
	words := strings.NewReplacer("^[a-z0-9][", "beginning with a letter or digit, ", "^[", "", "]+$", "", "]*$", "",
		"A-Z", "capital letters, ", "a-z", "lower-case letters, ", "0-9", "digits, ",
		"._-", "dot, underscore, hyphen", "_-", "underscore, hyphen")
	return words.Replace(pattern)
}

// found is how a message calls a value: by itself, or by where it came from.
func (b *binder) found(n *yaml.Node, v reflect.Value, x expanded) string {
	switch {
	case len(x.refs) > 0:
		return "the value of " + yamlpos.Quoted(strings.Join(x.refs, ""))
	case v.Type() == secretType() || b.Hidden[n]:
		return "the value"
	}
	return yamlpos.Quoted(n.Value)
}

// because names the variables that are not set: most often they are the reason.
func (b *binder) because(p place) string {
	switch len(p.unset) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("; the environment variable %s is not set", p.unset[0])
	}
	return fmt.Sprintf("; the environment variables %s are not set", strings.Join(p.unset, ", "))
}

// lookalike warns of ${NAME} and other things that look like an expansion and are none.
func (b *binder) lookalike(n *yaml.Node, path string, x expanded) {
	rest := b.reference.ReplaceAllString(n.Value, "")
	if b.quiet || !strings.Contains(rest, "${") {
		return
	}
	b.warn(n, path, "this looks like an expansion and is taken as it stands; allowed: ${env:NAME}, ${file:PATH}")
}

// sensitive reports whether a free key of params or headers probably has a secret as its value.
func sensitive(path, name string) bool {
	if strings.HasSuffix(path, ".headers") {
		return true
	}
	name = strings.ToLower(name)
	return strings.HasSuffix(path, ".params") && slices.ContainsFunc(
		[]string{"secret", "password", "token", "key", "credential", "assertion", "code"},
		func(part string) bool { return strings.Contains(name, part) })
}

// template reports whether a value is made of placeholders, with at most a word like Bearer beside
// them, and so is not itself the secret.
func (b *binder) template(text string) bool {
	rest := b.placeholder.ReplaceAllString(text, "")
	return rest != text && len(strings.TrimSpace(rest)) <= len("Bearer :")
}
