package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/joho/godotenv"

	"github.com/keybearer/keybearer/internal/yamlpos"
)

// maxEnvFile bounds an environment file.
const maxEnvFile = 64 << 10

// environment is the real environment, and behind it an environment file.
type environment struct {
	real func(string) (string, bool)
	file map[string]string
	path string // of the file; empty: none
}

// lookup finds a variable. The real environment wins, even where it sets one to nothing.
func (e environment) lookup(name string) (string, bool) {
	if value, ok := e.real(name); ok {
		return value, true
	}
	value, ok := e.file[name]
	return value, ok
}

// environment reads the file that was named, or .env in the working directory if there is one. The
// process's own environment stays as it is.
func (s Source) environment() (environment, *Problem) {
	env := environment{real: s.LookupEnv}
	if env.real == nil {
		env.real = os.LookupEnv
	}
	path, shown := s.inDir(s.EnvFile), s.EnvFile
	if shown == "" {
		path, shown = filepath.Join(s.Dir, ".env"), ".env"
		if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
			return env, nil
		}
	}
	data, err := yamlpos.ReadFile(path, maxEnvFile)
	if err != nil {
		return env, &Problem{Position: Position{File: shown}, Message: "the environment file " + err.Error()}
	}
	env.path = shown
	// The parser's own errors quote the text from the fault on, and that is full of secrets.
	if env.file, err = godotenv.UnmarshalBytes(data); err != nil {
		return env, &Problem{
			Position: Position{File: shown, Line: faultyLine(string(data)), Column: 1},
			Message:  "this is not a line of an environment file; write NAME=value, with quotes around a value that has blanks or #",
		}
	}
	return env, nil
}

// faultyLine finds the line after the longest beginning of the text that can be read.
func faultyLine(text string) int {
	lines := strings.SplitAfter(text, "\n")
	good := 0
	for i := range min(len(lines), 1000) { // enough for people, and bounded
		if _, err := godotenv.Unmarshal(strings.Join(lines[:i+1], "")); err == nil {
			good = i + 1
		}
	}
	return min(good+1, len(lines))
}
