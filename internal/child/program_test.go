package child_test

import (
	"bufio"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// program is the child of many tests.
func program(args []string) int {
	switch args[0] {
	case "env":
		return printed(json.NewEncoder(os.Stdout).Encode(os.Environ()))
	case "dial": // says for each address whether it can be reached
		for _, address := range args[1:] {
			conn, err := net.Dial("tcp", address)
			if err == nil {
				conn.Close()
			}
			fmt.Printf("%s: %v\n", address, err == nil)
		}
		return 0
	case "get":
		r, err := http.Get(args[1])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		r.Body.Close()
		return 0
	case "hold": // goes away in the middle of a request
		conn, err := net.Dial("tcp", args[1])
		if err != nil {
			return 1
		}
		_, err = fmt.Fprint(conn, "CONNECT half")
		return printed(err)
	case "roots":
		return roots()
	case "talk":
		return talk()
	}
	return 2
}

func printed(err error) int {
	if err != nil {
		return 1
	}
	return 0
}

// talk prints what comes: signals, and answers to lines.
func talk() int {
	var interrupts atomic.Int32
	listen(&interrupts)
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		verb, rest, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		switch verb {
		case "interrupts":
			fmt.Println("interrupts", interrupts.Load())
		case "exit":
			var code int
			_, _ = fmt.Sscan(rest, &code)
			return code
		default:
			fmt.Println(answer(verb))
		}
	}
	return 3
}

// roots prints what the variables name: modes of file and folder, and the certificates by their bytes.
func roots() int {
	for _, name := range []string{
		"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS", "DENO_CERT",
	} {
		file := os.Getenv(name)
		text, err := os.ReadFile(file)
		if err != nil {
			return printed(err)
		}
		var found []string
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			found = append(found, string(block.Bytes))
		}
		fmt.Println(name, mode(file), mode(filepath.Dir(file)), strings.Join(found, "|"))
	}
	fmt.Println("JAVA_TOOL_OPTIONS", os.Getenv("JAVA_TOOL_OPTIONS"))
	return 0
}

func mode(name string) string {
	info, err := os.Stat(name)
	if err != nil {
		return err.Error()
	}
	return info.Mode().String()
}
