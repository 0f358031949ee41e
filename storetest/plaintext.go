package storetest

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

const (
	// shortestCanary is how many bytes a canary has at least, so that it cannot occur by chance.
	shortestCanary = 12
	plaintextChunk = 1 << 20
)

// NoPlaintext looks through every file under a data folder for secrets that a test has put through
// the program, and fails t for each that it finds: as they are, in UTF-16, in hex, in base64 at any
// place of a longer text, with percent signs, with the escapes of JSON, and as a list of numbers.
// Canaries have at least 12 bytes.
//
// The store may be open: a file is read up to the end that it had when its turn came, and one that goes
// meanwhile is passed over. Files of any size are read in little memory, once, at the speed of memory
// rather than of the number of canaries.
//
// It cannot see what is compressed, or encrypted with a key that lies beside it.
func NoPlaintext(t testing.TB, dir string, canaries ...string) {
	t.Helper()
	if len(canaries) == 0 {
		t.Fatal("NoPlaintext: no canaries")
	}
	look := newSearch()
	for i, canary := range canaries {
		if len(canary) < shortestCanary {
			t.Fatalf("NoPlaintext: canary %d has %d bytes, want at least %d", i, len(canary), shortestCanary)
		}
		for form, text := range disguises(canary) {
			look.add(text, disguise{canary: i, form: form})
		}
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		file, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return err
		}
		files++
		found, err := look.in(io.LimitReader(file, info.Size()))
		for d := range found {
			t.Errorf("%s holds canary %d in %s", path, d.canary, d.form)
		}
		return err
	})
	if err != nil {
		t.Fatalf("looking for plain text: %v", err)
	}
	if files == 0 {
		t.Fatalf("NoPlaintext: no files in %s", dir)
	}
}

// search finds any of many texts in one pass. It looks at what begins with the right four bytes only,
// and at most other places at no more than a bit of a table.
type search struct {
	begins  [1 << 16]bool
	texts   map[uint32][]sought
	longest int
}

type sought struct {
	text string
	is   disguise
}

func newSearch() *search { return &search{texts: make(map[uint32][]sought)} }

// slot is the place of four bytes in the table.
func slot(four uint32) uint32 { return four * 0x9e3779b1 >> 16 }

func (s *search) add(text string, is disguise) {
	four := binary.LittleEndian.Uint32([]byte(text))
	s.begins[slot(four)] = true
	s.texts[four] = append(s.texts[four], sought{text, is})
	s.longest = max(s.longest, len(text))
}

// in gives what is found in a file, which is read in chunks that overlap.
func (s *search) in(file io.Reader) (map[disguise]bool, error) {
	found := make(map[disguise]bool)
	buf := make([]byte, plaintextChunk+s.longest)
	for kept := 0; ; {
		n, err := io.ReadFull(file, buf[kept:])
		part := buf[:kept+n]
		for i := 0; i+4 <= len(part); i++ {
			if four := binary.LittleEndian.Uint32(part[i:]); s.begins[slot(four)] {
				for _, one := range s.texts[four] {
					if len(part)-i >= len(one.text) && string(part[i:i+len(one.text)]) == one.text {
						found[one.is] = true
					}
				}
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		kept = copy(buf, part[len(part)-s.longest:])
	}
}
