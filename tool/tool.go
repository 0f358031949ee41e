package tool

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/keybearer/keybearer/api"
)

// Kit is a set of tools that is named and versioned together.
type Kit struct {
	// Name begins with a letter and has letters and digits only: "Jira". Engines call a tool Name.Tool.
	Name string
	// Version is that of the kit: "1.0.0".
	Version     string
	Description string
	Tools       []*Tool
}

var kitName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,62}$`)

// check says what is wrong with a kit, if anything.
func (k *Kit) check() error {
	if !kitName.MatchString(k.Name) {
		return fmt.Errorf("the kit's name %q: use 1 to 63 letters and digits, beginning with a letter", k.Name)
	}
	if len(k.Tools) == 0 {
		return fmt.Errorf("the kit %s has no tools", k.Name)
	}
	seen := map[string]bool{}
	for _, t := range k.Tools {
		name := strings.ToLower(t.name)
		if seen[name] {
			return fmt.Errorf("the kit %s has two tools of the name %s: engines call them in any case", k.Name, t.name)
		}
		seen[name] = true
	}
	return nil
}

// mustBeRight ends a program that serves a kit which cannot be.
func (k *Kit) mustBeRight() {
	if err := k.check(); err != nil {
		panic("tool: " + err.Error())
	}
}

// Tool is a function that agents can call. Make it with [New].
type Tool struct {
	name, description, title, deprecated string

	requires *Requirement
	secrets  []string
	metadata []string
	domains  []string
	behavior api.ToolBehavior

	input, output *jsonschema.Schema
	check         *jsonschema.Resolved
	run           func(ctx context.Context, c *Call, input json.RawMessage) (any, error)
}

var toolName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,62}$`)

// New makes a tool of a function. In is a struct; its fields are the arguments, by their json names: a field with omitempty or
// omitzero may be absent, and the tag jsonschema describes it for a model. Out is whatever can be JSON; a struct is best, since
// its fields are described as well. The function may run many times at once.
//
// Errors of the function that are no [*Error] (see also [NeedMore]) are told to the model as TOOL_RUNTIME_FATAL, with their text.
//
// New panics for a name or types that cannot be a tool: a program finds that out when it starts.
func New[In, Out any](name, description string, fn func(ctx context.Context, c *Call, in In) (Out, error), options ...Option) *Tool {
	t := &Tool{name: name, description: description}
	t.run = func(ctx context.Context, c *Call, input json.RawMessage) (any, error) {
		var in In
		if err := json.Unmarshal(input, &in); err != nil {
			return nil, BadInput("the arguments cannot be read: %v", err)
		}
		return fn(ctx, c, in)
	}
	if err := t.describe(reflect.TypeFor[In](), reflect.TypeFor[Out]()); err != nil {
		panic(fmt.Sprintf("tool %s: %v", name, err))
	}
	for _, option := range options {
		if err := option(t); err != nil {
			panic(fmt.Sprintf("tool %s: %v", name, err))
		}
	}
	var err error
	if t.check, err = t.input.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true}); err != nil {
		panic(fmt.Sprintf("tool %s: its input: %v", name, err))
	}
	return t
}

// Name is the tool's own name, without its kit's.
func (t *Tool) Name() string { return t.name }

func (t *Tool) describe(in, out reflect.Type) (err error) {
	if !toolName.MatchString(t.name) {
		return fmt.Errorf("a name has 1 to 63 letters, digits and \"_\", and begins with a letter")
	}
	if in.Kind() != reflect.Struct {
		return fmt.Errorf("its input is %s, and has to be a struct", in)
	}
	if t.input, err = jsonschema.ForType(in, nil); err != nil {
		return fmt.Errorf("its input: %w", err)
	}
	if out.Kind() != reflect.Interface {
		if t.output, err = jsonschema.ForType(out, nil); err != nil {
			return fmt.Errorf("its output: %w", err)
		}
	}
	return nil
}

// Option says something about a tool.
type Option func(*Tool) error

// Title is what people see in place of the name.
func Title(text string) Option { return func(t *Tool) error { t.title = text; return nil } }

// Deprecated says that there is something better, and what.
func Deprecated(why string) Option { return func(t *Tool) error { t.deprecated = why; return nil } }

// ReadOnly says that the tool changes nothing.
func ReadOnly() Option { return hint(func(b *api.ToolBehavior) { b.ReadOnly = new(true) }) }

// Destructive says that the tool may undo or replace what was there, and does not only add.
func Destructive() Option { return hint(func(b *api.ToolBehavior) { b.Destructive = new(true) }) }

// Additive says that the tool only adds: what was there stays. Without it, or ReadOnly, clients take a tool for a destructive one.
func Additive() Option { return hint(func(b *api.ToolBehavior) { b.Destructive = new(false) }) }

// Idempotent says that calling the tool again with the same arguments changes nothing more: engines may then do that by
// themselves when a token was refused.
func Idempotent() Option { return hint(func(b *api.ToolBehavior) { b.Idempotent = new(true) }) }

// ClosedWorld says that the tool reaches nothing outside of its own program.
func ClosedWorld() Option { return hint(func(b *api.ToolBehavior) { b.OpenWorld = new(false) }) }

// Operations says what the tool does: "create", "read", "update", "delete".
func Operations(names ...string) Option {
	return hint(func(b *api.ToolBehavior) { b.Operations = append(b.Operations, names...) })
}

func hint(set func(*api.ToolBehavior)) Option {
	return func(t *Tool) error { set(&t.behavior); return nil }
}

// Domains says what the tool is about, for those who search: "project_management".
func Domains(names ...string) Option {
	return func(t *Tool) error { t.domains = append(t.domains, names...); return nil }
}

// Secret has the tool handed a secret of the operator: [Call.Secret].
func Secret(keys ...string) Option {
	return func(t *Tool) error { t.secrets = append(t.secrets, keys...); return nil }
}

// Metadata has the tool handed what the engine knows: "client_id", "coordinator_url"; see [Call.Metadata].
func Metadata(keys ...string) Option {
	return func(t *Tool) error { t.metadata = append(t.metadata, keys...); return nil }
}

// Values lists the only values that an argument may have.
func Values(argument string, values ...string) Option {
	return func(t *Tool) error {
		property, ok := t.input.Properties[argument]
		if !ok {
			return fmt.Errorf("Values: there is no argument %q", argument)
		}
		for _, v := range values {
			property.Enum = append(property.Enum, v)
		}
		return nil
	}
}

// Default is what an argument is where it is absent.
func Default(argument string, value any) Option {
	return func(t *Tool) error {
		property, ok := t.input.Properties[argument]
		if !ok {
			return fmt.Errorf("Default: there is no argument %q", argument)
		}
		text, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("Default of %s: %w", argument, err)
		}
		property.Default = text
		t.input.Required = slices.DeleteFunc(t.input.Required, func(name string) bool { return name == argument })
		return nil
	}
}

// arguments checks what a caller sent, fills in defaults, and gives it as the function reads it.
func (t *Tool) arguments(sent map[string]json.RawMessage) (json.RawMessage, error) {
	given := make(map[string]any, len(sent))
	for name, raw := range sent {
		// Callers in Python send null for what they leave out.
		if bytes.Equal(bytes.TrimSpace(raw), []byte("null")) && !slices.Contains(t.input.Required, name) {
			continue
		}
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			return nil, BadInput("the argument %s is no JSON", name)
		}
		given[name] = value
	}
	plain := maps.Clone(given)
	if err := t.check.ApplyDefaults(&given); err != nil {
		return nil, BadInput("the defaults do not fit: %v", err)
	}
	if err := t.check.Validate(given); err != nil {
		return nil, BadInput("the arguments of %s are not right: %s", t.name, complaint(err))
	}
	whole := make(map[string]json.RawMessage, len(given))
	for name, value := range given {
		// As it was sent: read and written again, a large number would be another one.
		if _, ok := plain[name]; ok {
			whole[name] = sent[name]
			continue
		}
		text, err := json.Marshal(value)
		if err != nil {
			return nil, BadInput("the default of %s cannot be written: %v", name, err)
		}
		whole[name] = text
	}
	return json.Marshal(whole)
}
