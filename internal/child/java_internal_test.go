package child

import (
	"bytes"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What is written by hand is read here by the standard library, and by Java where that is installed.
func TestTrustStore(t *testing.T) {
	type info struct {
		Type    asn1.ObjectIdentifier
		Content []byte `asn1:"tag:0,explicit"`
	}
	type bag struct {
		Type asn1.ObjectIdentifier
		Bag  struct {
			Type asn1.ObjectIdentifier
			Cert []byte `asn1:"tag:0,explicit"`
		} `asn1:"tag:0,explicit"`
		Attributes []struct {
			Type   asn1.ObjectIdentifier
			Values []asn1.RawValue `asn1:"set"`
		} `asn1:"set"`
	}
	certs := [][]byte{[]byte("short"), bytes.Repeat([]byte("long"), 100), bytes.Repeat([]byte("longer"), 20_000)}
	var bundle []byte
	for _, c := range certs {
		bundle = append(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c})...)
	}
	var file struct {
		Version int
		Safe    info
	}
	var contents []info
	var bags []bag
	readDER(t, trustStore(bundle), &file)
	readDER(t, file.Safe.Content, &contents)
	readDER(t, contents[0].Content, &bags)
	if file.Version != 3 || len(bags) != len(certs) {
		t.Fatalf("version %d, %d certificates", file.Version, len(bags))
	}
	for i, b := range bags {
		if !bytes.Equal(b.Bag.Cert, certs[i]) || len(b.Attributes) != 2 {
			t.Errorf("certificate %d: %d bytes, %d attributes", i, len(b.Bag.Cert), len(b.Attributes))
		}
	}
}

func readDER(t *testing.T, text []byte, into any) {
	t.Helper()
	if rest, err := asn1.Unmarshal(text, into); err != nil || len(rest) > 0 {
		t.Fatalf("%v, %d bytes behind it", err, len(rest))
	}
}

func TestJavaReadsTheTrustStore(t *testing.T) {
	keytool, err := exec.LookPath("keytool")
	if err != nil {
		t.Log("Java is not installed here and was not asked")
		return
	}
	w := writer{env: parse(nil), read: map[string][]byte{}}
	roots := w.general()
	if roots == nil {
		t.Log("this system has no file of roots")
		return
	}
	path := filepath.Join(t.TempDir(), "roots.p12")
	if err := os.WriteFile(path, trustStore(roots), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), keytool, "-list", "-keystore", path, "-storetype", "PKCS12", "-storepass", "").CombinedOutput()
	if got, want := strings.Count(string(out), "trustedCertEntry"), len(ders(roots)); err != nil || got != want {
		t.Errorf("Java trusts %d of %d: %v\n%.500s", got, want, err, out)
	}
}
