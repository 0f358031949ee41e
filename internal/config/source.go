package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/keybearer/keybearer/internal/yamlpos"
	"github.com/keybearer/keybearer/oauth"
)

// maxFile bounds engine.yaml.
const maxFile = 1 << 20

// fileName is what is looked for when no file was named.
const fileName = "engine.yaml"

// Source says where a configuration comes from. The zero value looks in the usual places, with the
// process's environment, and knows no bundled providers.
type Source struct {
	// Path is the file; empty: the first engine.yaml of [Source.Places].
	Path string
	// EnvFile is the environment file; empty: .env in Dir, if there is one.
	EnvFile string
	// Dir is the working directory; empty: the process's own.
	Dir string
	// DataDir is the data folder; empty: storage.data of the file, else ~/.keybearer.
	DataDir string
	// LookupEnv is the real environment; nil: os.LookupEnv.
	LookupEnv func(name string) (string, bool)
	// Definitions finds the definition of a bundled provider type; nil: there are none.
	Definitions func(providerType string) (oauth.Definition, bool)
	// Types lists the bundled provider types, for messages.
	Types []string
}

// Load reads, expands and checks a configuration, and reports all of its problems at once, in the
// order of their positions. The Config is nil exactly when the problems are [Problems.Failed]. Without
// any file it holds the defaults. Load reads files and changes nothing.
func Load(s Source) (*Config, Problems) {
	env, fault := s.environment()
	if fault != nil {
		return nil, Problems{*fault}
	}
	path, shown := s.find(env)
	if path == "" {
		return s.read("", nil, env)
	}
	data, err := yamlpos.ReadFile(path, maxFile)
	if err != nil {
		return nil, Problems{{Position: Position{File: shown}, Message: "the file " + err.Error()}}
	}
	return s.read(shown, data, env)
}

// Parse is [Load] for a text that is already here; name stands for the file in messages, and its
// folder is where relative ${file:PATH} start.
func Parse(name string, data []byte, s Source) (*Config, Problems) {
	if len(data) > maxFile {
		return nil, Problems{{Position: Position{File: name}, Message: "the file is larger than 1024 KB"}}
	}
	env, fault := s.environment()
	if fault != nil {
		return nil, Problems{*fault}
	}
	return s.read(name, data, env)
}

// Places lists the files that are looked for, in this order, when none is named. The last ones are
// where engines that Keybearer can stand in for have theirs.
func (s Source) Places() []string {
	lookup := s.LookupEnv
	if lookup == nil {
		lookup = os.LookupEnv
	}
	return s.places(lookup)
}

func (s Source) places(lookup func(string) (string, bool)) []string {
	dirs := []string{s.Dir}
	if home := homeDir(lookup); home != "" {
		dirs = append(dirs, filepath.Join(home, ".keybearer"), filepath.Join(home, ".arcade"))
	}
	dirs = append(dirs, "/etc/keybearer", "/etc/arcade-ai", "/etc/arcade-engine", "/opt/homebrew/etc/arcade-engine")
	if brew, _ := lookup("HOMEBREW_REPOSITORY"); brew != "" {
		dirs = append(dirs, filepath.Join(brew, "etc", "arcade-engine"))
	}
	for i, dir := range dirs {
		dirs[i] = filepath.Join(dir, fileName)
	}
	return dirs
}

// find gives the file to read and how messages call it; empty: there is none.
func (s Source) find(env environment) (path, shown string) {
	if s.Path != "" {
		return s.inDir(s.Path), s.Path
	}
	for i, path := range s.places(env.real) {
		// A file that is there and cannot be read is a problem to report, not one to pass over.
		if info, err := os.Stat(path); err == nil && !info.IsDir() || errors.Is(err, fs.ErrPermission) {
			if i == 0 {
				return path, fileName
			}
			return path, path
		}
	}
	return "", ""
}

// inDir makes a path that a person wrote start at the working directory.
func (s Source) inDir(path string) string {
	if s.Dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(s.Dir, path)
}

func homeDir(lookup func(string) (string, bool)) string {
	for _, name := range []string{"HOME", "USERPROFILE"} {
		if home, _ := lookup(name); home != "" {
			return home
		}
	}
	return ""
}
