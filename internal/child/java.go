package child

import (
	"encoding/asn1"
	"strconv"
	"unicode/utf16"
)

// setJava tells a JVM by JAVA_TOOL_OPTIONS, which all of them read, and print at their start: so it holds no
// secret. docs/run-environment.md says why the proxy is named to it in an isolated run only.
func setJava(v *variables, c Config, t trust) {
	if t.store == "" {
		return
	}
	options := "-Djavax.net.ssl.trustStore=" + t.store + " -Djavax.net.ssl.trustStoreType=PKCS12" +
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

type (
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content []byte `asn1:"tag:0,explicit"`
	}
	pfx struct {
		Version int
		Safe    contentInfo
	}
	certBag struct {
		Type asn1.ObjectIdentifier
		Cert []byte `asn1:"tag:0,explicit"`
	}
	safeBag struct {
		Type       asn1.ObjectIdentifier
		Bag        certBag     `asn1:"tag:0,explicit"`
		Attributes []attribute `asn1:"set"`
	}
	attribute struct {
		Type   asn1.ObjectIdentifier
		Values []asn1.RawValue `asn1:"set"`
	}
)

// trustStore makes the PKCS #12 file (RFC 7292) that Java reads as a trust store: certificates in the clear,
// without a MAC and so without a password, each with a name and the attribute by which Java knows that it
// is trusted (the JDK's sun.security.pkcs12.PKCS12KeyStore). Public certificates need neither.
func trustStore(bundle []byte) []byte {
	var (
		data        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
		bag         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
		x509        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}
		trustedFor  = asn1.ObjectIdentifier{2, 16, 840, 1, 113894, 746875, 1, 1}
		anyPurpose  = der(asn1.ObjectIdentifier{2, 5, 29, 37, 0})
		friendly    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20}
		bags        []safeBag
		wholeBundle = ders(bundle)
	)
	for i, cert := range wholeBundle {
		name := asn1.RawValue{Tag: asn1.TagBMPString, Bytes: bmp("root-" + strconv.Itoa(i))}
		bags = append(bags, safeBag{bag, certBag{x509, cert}, []attribute{
			{friendly, []asn1.RawValue{name}},
			{trustedFor, []asn1.RawValue{{FullBytes: anyPurpose}}},
		}})
	}
	return der(pfx{3, contentInfo{data, der([]contentInfo{{data, der(bags)}})}})
}

// der marshals what cannot fail to be marshalled: the types above, filled with bytes.
func der(v any) []byte {
	b, err := asn1.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

func bmp(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>8), byte(u))
	}
	return b
}
