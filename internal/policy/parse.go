package policy

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"

	"github.com/keybearer/keybearer/internal/yamlpos"
)

// Problem is something wrong or doubtful in a policy.
type Problem = yamlpos.Problem

// Problems are all problems of one policy, in the order of their positions.
type Problems = yamlpos.Problems

// In is where the policy of a data folder is.
func In(dataDir string) string { return filepath.Join(dataDir, FileName) }

// Load reads the file at path, and reports all of its problems at once. The Policy is nil exactly when the
// problems are [Problems.Failed]: then nothing may be let through, since a nil Policy allows everything. A
// file that is not there is a problem here; [Source] knows when it is none.
func Load(path string) (*Policy, Problems) {
	data, problems := readFile(path)
	if problems.Failed() {
		return nil, problems
	}
	return Parse(path, data)
}

// readFile reads the file, if it is one that nobody but its owner and group can have written.
func readFile(path string) ([]byte, Problems) {
	fault := func(message string) Problems {
		return Problems{{Position: yamlpos.Position{File: path}, Message: message}}
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fault("the file cannot be read: " + yamlpos.Reason(err).Error())
	case !info.Mode().IsRegular(): // a pipe could block for ever
		return nil, fault("this is not a regular file")
	case info.Mode().Perm()&0o002 != 0 && runtime.GOOS != "windows":
		return nil, fault("everybody on this machine may write this file, and so the agents that it is to restrain; run: chmod o-w " + path)
	}
	data, err := yamlpos.ReadFile(path, maxFile)
	if err != nil {
		return nil, fault("the file " + err.Error())
	}
	return data, nil
}

// Parse is [Load] for a text that is already here; name stands for the file in messages.
func Parse(name string, data []byte) (*Policy, Problems) {
	if len(data) > maxFile {
		return nil, Problems{{Position: yamlpos.Position{File: name}, Message: "the file is larger than 1024 KB"}}
	}
	d, problems := yamlpos.Parse(name, data)
	if d.Root == nil {
		if !problems.Failed() {
			problems = Problems{{Position: yamlpos.Position{File: name}, Message: "the file says nothing; write version: 1 and rules, or remove it to allow all that connections serve"}}
		}
		return nil, problems.Sorted()
	}
	p := &Policy{name: filepath.Base(name), reads: knownReads()}
	b := newBinder(d)
	b.problems = problems
	b.mapping(d.Root, "", reflect.ValueOf(&p.file).Elem())
	c := checker{binder: b, policy: p, lists: map[string]int{}}
	c.all()
	problems = b.problems.Sorted()
	for i, found := range problems {
		problems[i].Excerpt = b.Line(found.Position)
	}
	if problems.Failed() {
		return nil, problems
	}
	return p, problems
}
