package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"

	kb "github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

type object = map[string]any

// Document makes the OpenAPI document out of the route table and the types of package api. It is in a
// test because it needs the sources for their comments, and because the engine needs only the result.
func Document() ([]byte, error) {
	s, err := newSchemas()
	if err != nil {
		return nil, err
	}
	paths := object{}
	for _, r := range routes() {
		at, ok := paths[r.path].(object)
		if !ok {
			at = object{}
			paths[r.path] = at
		}
		at[strings.ToLower(r.method)] = s.operation(&r)
	}
	doc := object{
		"openapi": "3.1.0",
		"info": object{
			"title":   "Keybearer engine",
			"version": "1.0.0",
			"license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "Gets a person's consent at an OAuth 2.0 server once, keeps the grant sealed and fresh, and gives agents a token. " +
				"The wire is the one of the published Arcade clients.\n\n" +
				"Every path under /v1/ also answers under /v1/orgs/{org}/projects/{project}/, with any names.\n\n" +
				"Null members of a request count as absent, and unknown ones are ignored. " +
				"Every answer of 400 or more carries X-Request-Id; `x-should-retry: false` says that repeating the request does not help, and Retry-After when it may.",
		},
		"servers":    []any{object{"url": "/"}},
		"security":   []any{object{"key": []any{}}, object{"bearer": []any{}}},
		"tags":       s.tags(),
		"paths":      paths,
		"components": object{"schemas": s.all, "securitySchemes": securitySchemes()},
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, err
	}
	return append([]byte(strings.ReplaceAll(string(text), "#/$defs/", "#/components/schemas/")), '\n'), nil
}

func securitySchemes() object {
	return object{
		"key":    object{"type": "apiKey", "in": "header", "name": "Authorization", "description": "The API key by itself, as the published SDKs send it."},
		"bearer": object{"type": "http", "scheme": "bearer", "description": "The API key after the word Bearer."},
	}
}

func (s *schemas) tags() []any {
	var names []string
	for _, r := range routes() {
		if !slices.Contains(names, r.tag) {
			names = append(names, r.tag)
		}
	}
	tags := make([]any, len(names))
	for i, n := range names {
		tags[i] = object{"name": n}
	}
	return tags
}

func (s *schemas) operation(r *route) object {
	op := object{"operationId": r.id, "summary": r.summary, "tags": []any{r.tag}, "responses": s.responses(r)}
	about := r.about
	if r.admin {
		about = strings.TrimSpace(about + " Needs an API key of the scope admin.")
	}
	if about != "" {
		op["description"] = about
	}
	if r.open {
		op["security"] = []any{}
	}
	if r.request != nil {
		op["requestBody"] = object{"required": true, "content": s.content(r.request)}
	}
	var params []any
	for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(r.path, -1) {
		params = append(params, object{"in": "path", "name": m[1], "required": true, "schema": object{"type": "string"}})
	}
	for _, p := range r.query {
		params = append(params, object{"in": "query", "name": p.name, "required": p.required, "description": p.about, "schema": object{"type": p.kind}})
	}
	if r.once {
		params = append(params, object{
			"in": "header", "name": "Idempotency-Key", "schema": object{"type": "string", "maxLength": longestKey},
			"description": "A repeated request with the same key and body within ten minutes gets the first answer.",
		})
	}
	if params != nil {
		op["parameters"] = params
	}
	return op
}

// responses lists the success and, by status, the names of the errors.
func (s *schemas) responses(r *route) object {
	success := object{"description": "Success."}
	switch {
	case r.response == reflect.TypeFor[rawJSON]():
		success["content"] = object{"application/json": object{"schema": object{"type": "object"}}}
	case r.response != nil:
		success["content"] = s.content(r.response)
	}
	out := object{}
	for status, t := range r.also {
		out[strconv.Itoa(status)] = object{"description": http.StatusText(status) + ".", "content": s.content(t)}
	}
	if r.id != "chatCompletions" {
		out[strconv.Itoa(r.status)] = success
	}
	kinds := append([]kb.Kind{kb.Internal}, r.fails...)
	if !r.open {
		kinds = append(kinds, kb.Unauthenticated, kb.Unavailable)
	}
	if r.request != nil {
		kinds = append(kinds, kb.BadRequest, kb.TooLarge, kb.UnsupportedMedia)
	}
	if r.once {
		kinds = append(kinds, kb.Conflict)
	}
	names := map[int][]string{}
	for _, k := range kinds {
		if n := "`" + string(k) + "`"; !slices.Contains(names[k.HTTPStatus()], n) {
			names[k.HTTPStatus()] = append(names[k.HTTPStatus()], n)
		}
	}
	for _, status := range slices.Sorted(maps.Keys(names)) {
		out[strconv.Itoa(status)] = object{
			"description": http.StatusText(status) + ": " + strings.Join(names[status], ", ") + ".",
			"content":     s.content(reflect.TypeFor[api.Error]()),
		}
	}
	return out
}

func (s *schemas) content(t reflect.Type) object {
	return object{"application/json": object{"schema": s.reference(t)}}
}

// schemas collects what the operations refer to.
type schemas struct {
	reflector jsonschema.Reflector
	all       map[string]*jsonschema.Schema
}

func newSchemas() (*schemas, error) {
	s := &schemas{all: map[string]*jsonschema.Schema{}}
	s.reflector = jsonschema.Reflector{
		Anonymous: true, AllowAdditionalProperties: true, Namer: schemaName,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if t != reflect.TypeFor[api.Expressions]() {
				return nil
			}
			text := &jsonschema.Schema{Type: "string"}
			return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{text, {Type: "array", Items: text}}}
		},
	}
	var comments jsonschema.Reflector
	if err := comments.AddGoComments("github.com/keybearer/keybearer/internal/httpapi", "../../api", jsonschema.WithFullComment()); err != nil {
		return nil, fmt.Errorf("reading the comments of package api: %w", err)
	}
	s.reflector.LookupComment = func(t reflect.Type, field string) string {
		name, _, _ := strings.Cut(t.Name(), "[") // comments belong to the generic type
		key := t.PkgPath() + "." + name
		if field == "" {
			return strings.Join(strings.Fields(comments.CommentMap[key]), " ")
		}
		about := strings.Join(strings.Fields(comments.CommentMap[key+"."+field]), " ")
		if rest, ok := strings.CutPrefix(about, field+" "); ok { // on the wire the field has another name
			f, _ := t.FieldByName(field)
			wire, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			about = wire + " " + rest
		}
		return about
	}
	return s, nil
}

func (s *schemas) reference(t reflect.Type) object {
	root := s.reflector.ReflectFromType(t)
	maps.Copy(s.all, root.Definitions)
	return object{"$ref": root.Ref}
}

// schemaName turns Page[….Provider] into ProviderPage.
func schemaName(t reflect.Type) string {
	generic, argument, ok := strings.Cut(strings.TrimSuffix(t.Name(), "]"), "[")
	if !ok {
		return ""
	}
	return argument[strings.LastIndex(argument, ".")+1:] + generic
}
