package interop_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// serveStreams serves what goes on for a while: events as OpenAI sends them, a WebSocket, and a call with a stream in
// each direction.
func (o *office) serveStreams() {
	o.mux.HandleFunc("GET /echo/{name}", echoWebSocket)
	o.mux.HandleFunc("POST /talk", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Grpc-Status")
		flow := http.NewResponseController(w)
		_ = flow.Flush() // the client waits for the head before it says anything
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			_, _ = fmt.Fprintln(w, "heard", lines.Text())
			_ = flow.Flush()
		}
		w.Header().Set("Grpc-Status", "0")
	})
	seen := make(chan struct{})
	o.mux.HandleFunc("GET /v1/models/seen", func(w http.ResponseWriter, _ *http.Request) {
		close(seen)
		_, _ = io.WriteString(w, `{"id":"seen","object":"model","created":1,"owned_by":"tea"}`)
	})
	o.mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		say := func(word string) {
			_, _ = fmt.Fprintf(w, "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":%q}}]}\n\n", word)
			_ = http.NewResponseController(w).Flush()
		}
		say("first")
		select { // the rest is not sent until the client has seen what was
		case <-seen:
			say(" last")
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	})
}

// eventsPassAtOnce: OpenAI's own client reads a stream of events, and says of the first one that it was seen before the
// server sends the next.
func eventsPassAtOnce(t *testing.T, l *laptop) {
	need(t, partNode)
	r := l.runs(t, nodeBinary(t), absolute(t, "node/openai.mjs"))
	if r.code != 0 || r.stdout != "first last\n" {
		t.Errorf("got code %d and %q, want all words\n%s", r.code, r.stdout, r.stderr)
	}
	for _, path := range []string{"/v1/chat/completions", "/v1/models/seen"} {
		l.sawOnce(t, openAIHost, path, "Bearer "+l.keys.of("openai"))
	}
}

const webSocketClient = `import asyncio, os, sys, websockets
async def main():
    async with websockets.connect(sys.argv[1], additional_headers={"Authorization": "Bearer " + os.environ["TEA_TOKEN"]}) as socket:
        for word in ["one", "two", "x" * 70000]:
            await socket.send(word)
            assert await socket.recv() == word
        print("echoed")
asyncio.run(main())`

// webSocketsWork: Node's, which can set no header, and one of Python's, which sends its placeholder.
func webSocketsWork(t *testing.T, l *laptop) {
	need(t, partNode, partPython)
	for name, argv := range map[string][]string{
		"node":   {nodeBinary(t), absolute(t, "node/websocket.mjs")},
		"python": {pythonBinary(t), "-c", webSocketClient},
	} {
		r := l.runs(t, append(argv, "wss://"+apiHost+"/echo/"+name)...)
		if r.code != 0 || r.stdout != "echoed\n" {
			t.Errorf("%s: got code %d and %q, want all words back\n%s", name, r.code, r.stdout, r.stderr)
		}
		l.sawOnce(t, apiHost, "/echo/"+name, "Bearer "+l.keys.of("tea"))
	}
}

// talksWork: both directions of an HTTP/2 stream pass line by line, and the trailer after them.
func talksWork(t *testing.T, l *laptop) {
	r := l.runs(t, asGo(t, "talk", "https://"+apiHost+"/talk")...)
	if want := "HTTP/2.0 heard one\nHTTP/2.0 heard two\nHTTP/2.0 heard three\nstatus 0\n"; r.code != 0 || r.stdout != want {
		t.Errorf("got code %d and %q, want %q\n%s", r.code, r.stdout, want, r.stderr)
	}
	l.sawOnce(t, apiHost, "/talk", "Bearer "+l.keys.of("tea"))
	if got := l.visits("/talk")[0].protocol; got != "HTTP/2.0" {
		t.Errorf("the server was asked by %s, want HTTP/2.0", got)
	}
}

// echoWebSocket sends each message back (RFC 6455), until the client says good-bye.
func echoWebSocket(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		http.Error(w, "this is for WebSocket", http.StatusUpgradeRequired)
		return
	}
	conn, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, _ = fmt.Fprintf(both, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	for both.Flush() == nil {
		kind, message, err := readFrame(both)
		if err != nil {
			return
		}
		writeFrame(both, kind, message)
		if kind == closeFrame {
			_ = both.Flush()
			return
		}
	}
}

const closeFrame = 8

// readFrame reads a frame of a client, which is masked, and gives its opcode and what it says.
func readFrame(r io.Reader) (kind byte, message []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	length := uint64(head[1] & 0x7f)
	if more := map[uint64]int{126: 2, 127: 8}[length]; more > 0 {
		var long [8]byte
		if _, err := io.ReadFull(r, long[8-more:]); err != nil {
			return 0, nil, err
		}
		length = binary.BigEndian.Uint64(long[:])
	}
	var mask [4]byte
	if _, err := io.ReadFull(r, mask[:]); err != nil {
		return 0, nil, err
	}
	message = make([]byte, min(length, 1<<20))
	_, err = io.ReadFull(r, message)
	for i := range message {
		message[i] ^= mask[i%4]
	}
	return head[0] & 0x0f, message, err
}

// writeFrame writes a whole message, unmasked.
func writeFrame(w io.Writer, kind byte, message []byte) {
	head := []byte{0x80 | kind, byte(len(message))}
	switch {
	case len(message) > 0xffff:
		head[1] = 127
		head = binary.BigEndian.AppendUint64(head, uint64(len(message)))
	case len(message) > 125:
		head[1] = 126
		head = binary.BigEndian.AppendUint16(head, uint16(len(message)))
	}
	_, _ = w.Write(append(head, message...))
}
