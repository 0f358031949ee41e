package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/keybearer/keybearer/internal/yamlpos"
	"github.com/keybearer/keybearer/oauth"
)

// dialect is what published configurations have in one mapping beside the keys of today.
type dialect struct {
	renamed map[string]string // older key: key of today
	nested  map[string]string // older key: "mapping.key" of today
	lifted  string            // older mapping whose keys stand one level higher today
	ignored map[string]string // key that is not ours: why it has no effect
}

const notOurs = "not used by Keybearer; it is ignored"

func dialectOf(t reflect.Type) dialect {
	switch t {
	case reflect.TypeFor[Config]():
		return dialect{ignored: map[string]string{
			"analytics":         notOurs,
			"cache":             notOurs,
			"cloud":             notOurs,
			"dashboard":         notOurs,
			"director":          notOurs,
			"execution_logging": notOurs,
			"hooks":             notOurs,
			"llm":               notOurs,
			"plugins":           notOurs,
		}}
	case reflect.TypeFor[API]():
		return dialect{lifted: "http", ignored: map[string]string{
			"analytics":  "Keybearer sends no analytics; it is ignored",
			"rate_limit": "not enforced by this version; limit requests in front of the engine",
		}}
	case reflect.TypeFor[Director]():
		return dialect{renamed: map[string]string{"actors": "workers"}}
	case reflect.TypeFor[Worker]():
		return dialect{ignored: map[string]string{
			"mock": "there are no mock workers here; it is ignored",
		}}
	case reflect.TypeFor[Auth]():
		return dialect{ignored: map[string]string{
			"token_store": "tokens are kept where the storage section says; it is ignored",
		}}
	case reflect.TypeFor[Storage]():
		return dialect{ignored: map[string]string{
			"token_cache": "tokens are kept where the storage section says; it is ignored",
		}}
	case reflect.TypeFor[Postgres]():
		return dialect{ignored: map[string]string{
			"data_path": "Keybearer runs no PostgreSQL server of its own; it is ignored",
		}}
	case reflect.TypeFor[oauth.Definition]():
		return dialect{
			renamed: map[string]string{
				"authorization_request": "authorize_request",
				"refresh_token_request": "refresh_request",
				"userinfo_request":      "user_info_request",
			},
			nested: map[string]string{
				"use_pkce":                   "pkce.enabled",
				"pkce_code_challenge_method": "pkce.code_challenge_method",
			},
		}
	}
	return dialect{}
}

// modernize brings the keys of a mapping to those of today and notes each older one.
func (b *binder) modernize(at string, t reflect.Type, entries []entry) []entry {
	d := dialectOf(t)
	out := make([]entry, 0, len(entries))
	for _, e := range entries {
		switch {
		case d.ignored[e.name] != "":
			b.warn(e.key, yamlpos.Join(at, e.path), d.ignored[e.name])
		case d.lifted != "" && e.name == d.lifted && yamlpos.Resolve(e.value).Kind == yaml.MappingNode:
			b.warn(e.key, yamlpos.Join(at, e.path), fmt.Sprintf("this is an older form; write the keys below %s directly below %s", e.name, at))
			for _, inner := range b.entries(e.value, yamlpos.Join(at, e.path)) {
				inner.path = yamlpos.Join(e.path, inner.path)
				out = b.add(out, at, inner)
			}
		case d.renamed[e.name] != "":
			b.older(at, e, d.renamed[e.name])
			e.name = d.renamed[e.name]
			out = b.add(out, at, e)
		case d.nested[e.name] != "":
			b.older(at, e, d.nested[e.name])
			out = b.nest(out, entries, at, e, d.nested[e.name])
		default:
			out = b.add(out, at, e)
		}
	}
	return out
}

func (b *binder) older(at string, e entry, today string) {
	b.warn(e.key, yamlpos.Join(at, e.path), fmt.Sprintf("this is an older spelling of %s", today))
}

func (b *binder) add(entries []entry, at string, e entry) []entry {
	for _, before := range entries {
		if before.name != e.name {
			continue
		}
		if before.path != e.path { // the same key twice was reported when the file was parsed
			b.fail(e.key, yamlpos.Join(at, e.path), fmt.Sprintf("%s and %s mean the same; keep one", before.path, e.path))
		}
		return entries
	}
	return append(entries, e)
}

// nest moves an older key into the mapping where it belongs today.
func (b *binder) nest(out, all []entry, at string, e entry, today string) []entry {
	outer, inner, _ := strings.Cut(today, ".")
	key := *e.key
	key.Value = inner
	i := slices.IndexFunc(out, func(o entry) bool { return o.name == outer })
	if i < 0 {
		j := slices.IndexFunc(all, func(o entry) bool { return o.name == outer })
		if j < 0 {
			box := &yaml.Node{Kind: yaml.MappingNode, Line: e.key.Line, Column: e.key.Column}
			box.Content = []*yaml.Node{&key, e.value}
			return append(out, entry{name: outer, path: outer, key: e.key, value: box})
		}
		out, i = append(out, all[j]), len(out)
	}
	box := *yamlpos.Resolve(out[i].value)
	if box.Kind != yaml.MappingNode {
		return out // the value is reported where it is read
	}
	for _, o := range b.entries(&box, yamlpos.Join(at, outer)) {
		if o.name == inner {
			b.fail(e.key, yamlpos.Join(at, e.path), fmt.Sprintf("%s and %s mean the same; keep one", today, e.path))
			return out
		}
	}
	box.Content = append(slices.Clone(box.Content), &key, e.value)
	out[i].value = &box
	return out
}
