package child

import (
	"encoding/asn1"
	"encoding/binary"
	"strconv"
	"strings"
)

// setJava tells a JVM by JAVA_TOOL_OPTIONS, which all of them read, and print at their start: so it holds no
// secret. docs/run-environment.md says why the proxy is named to it in an isolated run only.
func setJava(v *variables, c Config, t trust) {
	if t.store == "" {
		return
	}
	store := t.store
	if strings.ContainsAny(store, " \t") {
		store = `"` + store + `"` // a JVM takes quotes there as a shell does
	}
	options := "-Djavax.net.ssl.trustStore=" + store + " -Djavax.net.ssl.trustStoreType=PKCS12" +
		" -Djdk.http.auth.tunneling.disabledSchemes="
	if c.Isolate { // else the proxy would refuse it, and all that Java fetches would fail
		for _, scheme := range []string{"http", "https"} {
			options += " -D" + scheme + ".proxyHost=127.0.0.1 -D" + scheme + ".proxyPort=" + c.Proxy.Port()
		}
	}
	if own := v.get("JAVA_TOOL_OPTIONS"); own != "" {
		options = own + " " + options
	}
	v.set("JAVA_TOOL_OPTIONS", options)
}

// trustStore makes the PKCS #12 file (RFC 7292) that Java reads as a trust store: certificates in the clear,
// without a MAC and so without a password, each with a name and the attribute by which Java knows that it
// is trusted (the JDK's sun.security.pkcs12.PKCS12KeyStore). Public certificates need neither.
func trustStore(bundle []byte) []byte {
	var (
		data     = oid(1, 2, 840, 113549, 1, 7, 1)
		bag      = oid(1, 2, 840, 113549, 1, 12, 10, 1, 3)
		x509     = oid(1, 2, 840, 113549, 1, 9, 22, 1)
		friendly = oid(1, 2, 840, 113549, 1, 9, 20)
		trusted  = der(sequence, oid(2, 16, 840, 1, 113894, 746875, 1, 1), der(set, oid(2, 5, 29, 37, 0))) // for any purpose
		bags     [][]byte
	)
	for i, cert := range ders(bundle) {
		name := der(sequence, friendly, der(set, der(bmpString, utf16Of("root-"+strconv.Itoa(i)))))
		held := der(sequence, x509, der(tagged, der(octets, cert)))
		bags = append(bags, der(sequence, bag, der(tagged, held), der(set, name, trusted)))
	}
	contents := der(sequence, data, der(tagged, der(octets, der(sequence, bags...))))
	safe := der(sequence, data, der(tagged, der(octets, der(sequence, contents))))
	return der(sequence, der(integer, []byte{3}), safe)
}

// Tags of DER (X.690): sequences and sets with what they hold, and [0] around something.
const (
	integer   = 0x02
	octets    = 0x04
	bmpString = 0x1e
	sequence  = 0x30
	set       = 0x31
	tagged    = 0xa0
)

// der puts tag and length before what it is given. encoding/asn1 takes four times as long, and each run waits for it.
func der(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, part := range parts {
		n += len(part)
	}
	out := append(make([]byte, 0, n+6), tag)
	if n < 0x80 {
		out = append(out, byte(n))
	} else {
		long := binary.BigEndian.AppendUint32(nil, uint32(n))
		for long[0] == 0 {
			long = long[1:]
		}
		out = append(append(out, 0x80|byte(len(long))), long...)
	}
	for _, part := range parts {
		out = append(out, part...)
	}
	return out
}

func oid(numbers ...int) []byte {
	b, err := asn1.Marshal(asn1.ObjectIdentifier(numbers))
	if err != nil {
		return nil // these are constants, and a test reads the file
	}
	return b
}

func utf16Of(ascii string) []byte {
	b := make([]byte, 0, 2*len(ascii))
	for _, c := range []byte(ascii) {
		b = append(b, 0, c)
	}
	return b
}
