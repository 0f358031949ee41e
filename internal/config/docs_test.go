package config_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/oauth"
)

// Every key, older spelling and ignored section is in the reference.
func TestReferenceNamesEveryKey(t *testing.T) {
	page := string(read(t, "../../docs/configuration.md"))
	var walk func(typ reflect.Type)
	seen := map[reflect.Type]bool{}
	named := func(key string) {
		if !regexp.MustCompile(`[^a-z_]` + regexp.QuoteMeta(key) + `[^a-z_]`).MatchString(page) {
			t.Errorf("docs/configuration.md does not have %s", key)
		}
	}
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if seen[typ] || typ.Kind() != reflect.Struct || !strings.Contains(typ.PkgPath(), "keybearer") {
			return
		}
		seen[typ] = true
		d := config.DialectOf(typ)
		for _, older := range []map[string]string{d.Renamed(), d.Nested(), d.Ignored()} {
			for key := range older {
				named(key)
			}
		}
		for f := range typ.Fields() {
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if key == "-" || !f.IsExported() {
				continue
			}
			if key != "" {
				named(key)
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[config.Config]())
	if !seen[reflect.TypeFor[oauth.Request]()] {
		t.Error("the walk did not come to oauth.Request")
	}
}

// Its samples are read as they are.
func TestSamplesOfTheReferenceLoad(t *testing.T) {
	page := string(read(t, "../../docs/configuration.md"))
	samples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(samples) < 2 {
		t.Fatalf("found %d samples", len(samples))
	}
	for _, sample := range samples {
		s := source(t)
		text := strings.ReplaceAll(sample[1], "/run/secrets/hooli", "hooli")
		write(t, s.Dir+"/hooli", canary)
		if _, problems := config.Parse("engine.yaml", []byte(text), s); len(problems) > 0 {
			t.Errorf("%s: %v", sample[1], problems)
		}
	}
}
