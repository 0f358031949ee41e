// Package ca is the certificate authority of one run: it lives in memory, signs a certificate for each
// host that is intercepted, and ends with the process. Its key is never written anywhere.
//
// It owns keys and certificates. Which hosts get one is the business of package proxy, and who trusts them
// of package child. The certificate has no name constraints: a login during the run adds hosts, and those
// that it does not serve get no certificate because nobody asks for one.
package ca
