package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// dialVia opens a tunnel through another proxy: http, https (RFC 9110 section 9.3.6) or socks5 (RFC 1928).
func dialVia(ctx context.Context, via *url.URL, to target, roots *x509.CertPool) (c net.Conn, early []byte, err error) {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	c, err = dialer.DialContext(ctx, "tcp", proxyAddress(via))
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to the proxy %s: %w", via.Host, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	defer func() {
		if err != nil {
			_ = c.Close()
		}
	}()
	switch via.Scheme {
	case "https":
		secure := tls.Client(c, &tls.Config{ServerName: via.Hostname(), RootCAs: roots, MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, nil, fmt.Errorf("connecting to the proxy %s: %w", via.Host, err)
		}
		c = secure
		early, err = askConnect(c, via, to)
	case "http":
		early, err = askConnect(c, via, to)
	case "socks5", "socks5h":
		err = askSocks(c, via, to)
	default:
		err = fmt.Errorf("the proxy %s has a scheme that is not http, https or socks5", via.Host)
	}
	if err == nil && !stop() {
		err = ctx.Err()
	}
	return c, early, err
}

func proxyAddress(via *url.URL) string {
	port := via.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[via.Scheme]
	}
	return net.JoinHostPort(via.Hostname(), port)
}

func askConnect(c net.Conn, via *url.URL, to target) (early []byte, err error) {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: to.String()}, Host: to.String(), Header: http.Header{}}
	if via.User != nil {
		word, _ := via.User.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(via.User.Username()+":"+word)))
	}
	if err := req.Write(c); err != nil {
		return nil, err
	}
	r := bufio.NewReader(io.LimitReader(c, maxHeaderBytes))
	res, err := http.ReadResponse(r, req)
	if err != nil {
		return nil, fmt.Errorf("reading the answer of the proxy %s: %w", via.Host, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, &proxyRefused{proxy: via.Host, status: res.Status}
	}
	early = make([]byte, r.Buffered())
	_, err = io.ReadFull(r, early)
	return early, err
}

// askSocks is the client's part of SOCKS 5, with a name and a password (RFC 1929) where there are some.
func askSocks(c net.Conn, via *url.URL, to target) error {
	refused := func(what string) error { return &proxyRefused{proxy: via.Host, status: what} }
	hello := []byte{5, 1, 0}
	if via.User != nil {
		hello = []byte{5, 2, 0, 2}
	}
	if _, err := c.Write(hello); err != nil {
		return err
	}
	var answer [2]byte
	if _, err := io.ReadFull(c, answer[:]); err != nil {
		return err
	}
	switch {
	case answer == [2]byte{5, 0}:
	case answer == [2]byte{5, 2} && via.User != nil:
		if err := socksLogin(c, via.User); err != nil {
			return refused("that name and password are wrong")
		}
	default:
		return refused("that it takes no way of logging in that we have")
	}
	if _, err := c.Write(socksRequest(to)); err != nil {
		return err
	}
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return err
	}
	if head[0] != 5 || head[1] != 0 {
		return refused(fmt.Sprintf("with SOCKS error %d", head[1]))
	}
	return skipSocksAddress(c, head[3])
}

func socksLogin(c net.Conn, user *url.Userinfo) error {
	name, word := user.Username(), ""
	word, _ = user.Password()
	if len(name) > 255 || len(word) > 255 {
		return errors.New("too long")
	}
	login := append([]byte{1, byte(len(name))}, name...)
	login = append(append(login, byte(len(word))), word...)
	if _, err := c.Write(login); err != nil {
		return err
	}
	var answer [2]byte
	if _, err := io.ReadFull(c, answer[:]); err != nil {
		return err
	}
	if answer[1] != 0 {
		return errors.New("refused")
	}
	return nil
}

func socksRequest(to target) []byte {
	request := []byte{5, 1, 0}
	if ip, ok := to.address(); !ok {
		request = append(append(request, 3, byte(len(to.host))), to.host...)
	} else if ip.Is4() {
		request = append(append(request, 1), ip.AsSlice()...)
	} else {
		request = append(append(request, 4), ip.AsSlice()...)
	}
	return append(request, byte(to.port>>8), byte(to.port))
}

func skipSocksAddress(c net.Conn, kind byte) error {
	length := int64(map[byte]int{1: 4, 4: 16}[kind])
	if kind == 3 {
		var n [1]byte
		if _, err := io.ReadFull(c, n[:]); err != nil {
			return err
		}
		length = int64(n[0])
	}
	_, err := io.CopyN(io.Discard, c, length+2)
	return err
}
