package policy

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keybearer/keybearer/internal/yamlpos"
)

const (
	// lookEvery is how often a Source looks at its file, at most.
	lookEvery = time.Second
	// settled is how old a change has to be for the file's time to tell of the next one: file systems count
	// in steps of up to two seconds.
	settled = 2 * time.Second
)

// SourceConfig says where the policy is.
type SourceConfig struct {
	// Path is the file.
	Path string
	// Required: a file that is not there is a fault, since somebody named it. Otherwise there is no policy
	// until there is one.
	Required bool
	// Report is told of problems, each time that the file was read and has some; and once, with none, when it
	// is good again. Nil: nobody is. It is called by whoever asks for the policy, and must not block.
	Report func(Problems)
	// Now is the clock; nil: [time.Now].
	Now func() time.Time
}

// Source is a policy in a file that may change. It looks at the file when it is asked, once a second at
// most. A new file that has errors, or has gone, changes nothing but is reported: the policy that was read
// before holds. If there was none, everything is refused until the file is good. It may be used
// concurrently, and has nothing to close.
type Source struct {
	config  SourceConfig
	current atomic.Pointer[Policy]
	next    atomic.Int64 // when the file is looked at again, in nanoseconds of the clock

	mu       sync.Mutex // for who looks
	seen     fs.FileInfo
	readAt   time.Time
	data     []byte
	reported string
}

// NewSource makes one, and reads the file.
func NewSource(config SourceConfig) *Source {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Report == nil {
		config.Report = func(Problems) {}
	}
	s := &Source{config: config}
	s.look(config.Now())
	return s
}

// Decide is that of the policy as it is now.
func (s *Source) Decide(q Request) Decision { return s.Policy().Decide(q) }

// Policy is the one that holds now. It is nil, and allows all that connections serve, only while there is
// and was no file, and none is required.
func (s *Source) Policy() *Policy {
	now := s.config.Now()
	// Whoever comes while another one looks takes what there is.
	if due := s.next.Load(); (now.UnixNano() >= due || now.UnixNano() < due-int64(lookEvery)) && s.mu.TryLock() {
		s.look(now)
		s.mu.Unlock()
	}
	return s.current.Load()
}

// look reads the file if it has changed.
func (s *Source) look(now time.Time) {
	s.next.Store(now.Add(lookEvery).UnixNano())
	info, err := os.Stat(s.config.Path)
	if err == nil && s.same(info) {
		return
	}
	if errors.Is(err, fs.ErrNotExist) && !s.config.Required && s.current.Load() == nil && !linked(s.config.Path) {
		return
	}
	data, problems := readFile(s.config.Path)
	s.seen, s.readAt = info, now
	if err == nil && !problems.Failed() && s.data != nil && bytes.Equal(data, s.data) && s.reported == "" {
		return
	}
	var policy *Policy
	if !problems.Failed() {
		policy, problems = Parse(s.config.Path, data)
	}
	s.data = data
	s.take(policy, problems)
}

// linked reports a link that leads nowhere: somebody has a policy, and it is not where it should be.
func linked(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// same reports whether the file is the one that was read. A file that had just been changed when it was
// read may have been changed once more within the same tick of the file system's clock.
func (s *Source) same(info fs.FileInfo) bool {
	return s.seen != nil && os.SameFile(info, s.seen) && info.ModTime().Equal(s.seen.ModTime()) && info.Size() == s.seen.Size() &&
		info.Mode() == s.seen.Mode() && s.readAt.Sub(info.ModTime()) > settled
}

// take makes a policy the current one, or keeps the one before; and reports what has not been reported.
func (s *Source) take(policy *Policy, problems Problems) {
	switch {
	case policy != nil:
		s.current.Store(policy)
	case s.current.Load() == nil || s.current.Load().fault != "":
		s.current.Store(broken(problems))
	default:
		problems = append(problems, Problem{
			Position: yamlpos.Position{File: s.config.Path}, Warning: true,
			Message: "what was read before goes on to hold",
		})
	}
	if said := text(problems); said != s.reported {
		s.reported = said
		s.config.Report(problems)
	}
}

func text(problems Problems) string {
	var b bytes.Buffer
	_ = problems.Print(&b) // a buffer takes everything
	return b.String()
}

// broken refuses everything, and says why.
func broken(problems Problems) *Policy {
	for _, p := range problems {
		if !p.Warning {
			return &Policy{fault: "everything is refused, since the policy cannot be used: " + p.String()}
		}
	}
	return &Policy{fault: "everything is refused, since the policy cannot be used"}
}
