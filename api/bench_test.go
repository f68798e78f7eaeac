package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp/fasthttputil"

	"chat-system/api"
	"chat-system/internal/chat"
)

// idle is a Store that does nothing, so that what is measured is HTTP alone.
type idle struct{ api.Store }

func (idle) CreateMessage(context.Context, string, int64, string, chat.Idempotency) (int64, bool, error) {
	return 123_456, false, nil
}

func (idle) Message(_ context.Context, _ string, _, number int64) (chat.Message, error) {
	return chat.Message{Number: number, Body: benchBody, Version: 1 << 60, CreatedAt: benchTime, UpdatedAt: benchTime}, nil
}

const benchBody = "Hello, is there anybody who can tell me where my parcel is? It was due last week."

var benchTime = time.Date(2026, 3, 1, 9, 30, 0, 123_456_000, time.UTC)

const (
	benchPost = "POST /applications/VZKQ3M5J7RWXG2TNLS4HBD6CYA/chats/1/messages HTTP/1.1\r\nHost: localhost:3000\r\nContent-Type: application/json\r\n" +
		"Content-Length: 92\r\n\r\n" + `{"body":"` + benchBody + `"}`
	benchGet = "GET /applications/VZKQ3M5J7RWXG2TNLS4HBD6CYA/chats/1/messages/77 HTTP/1.1\r\nHost: localhost:3000\r\n\r\n"
)

// bare is what the service is measured against: the same routes, JSON in and JSON out, and nothing else.
func bare() func(net.Listener) error {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Post("/applications/:token/chats/:chat/messages", func(c *fiber.Ctx) error {
		var in struct {
			Body string `json:"body"`
		}
		if err := c.BodyParser(&in); err != nil {
			return err
		}
		return c.Status(202).JSON(struct {
			Number int64 `json:"message_number"`
		}{123_456})
	})
	app.Get("/applications/:token/chats/:chat/messages/:message", func(c *fiber.Ctx) error {
		return c.JSON(struct {
			Number    int64     `json:"number"`
			Body      string    `json:"body"`
			CreatedAt time.Time `json:"created_at"`
			UpdatedAt time.Time `json:"updated_at"`
		}{77, benchBody, benchTime, benchTime})
	})
	return app.Listener
}

func ours() func(net.Listener) error {
	return api.New(api.Config{Store: idle{}, Log: slog.New(slog.DiscardHandler)}).Serve
}

func BenchmarkPostMessage(b *testing.B) {
	b.Run("bare", func(b *testing.B) { bench(b, bare(), benchPost) })
	b.Run("ours", func(b *testing.B) { bench(b, ours(), benchPost) })
}

func BenchmarkGetMessage(b *testing.B) {
	b.Run("bare", func(b *testing.B) { bench(b, bare(), benchGet) })
	b.Run("ours", func(b *testing.B) { bench(b, ours(), benchGet) })
}

// bench sends a request again and again, a batch at a time, so that the server's work outweighs the test's.
func bench(b *testing.B, serve func(net.Listener) error, request string) {
	ln := fasthttputil.NewInmemoryListener()
	defer func() { _ = ln.Close() }()
	go func() { _ = serve(ln) }()
	conn, err := ln.Dial()
	if err != nil {
		b.Fatal(err)
	}
	in := bufio.NewReader(conn)
	if _, err := io.WriteString(conn, request); err != nil {
		b.Fatal(err)
	}
	r, err := http.ReadResponse(in, nil)
	if err != nil {
		b.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode >= 300 || !json.Valid(body) {
		b.Fatal(r.Status, string(body), err)
	}
	size, err := answerSize(conn, in, request)
	if err != nil {
		b.Fatal(err)
	}
	const batch = 64
	requests := make([]byte, 0, batch*len(request))
	for range batch {
		requests = append(requests, request...)
	}
	answers := make([]byte, batch*size)
	b.ReportAllocs()
	for left := b.N; left > 0; left -= batch {
		n := min(left, batch)
		if _, err := conn.Write(requests[:n*len(request)]); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(in, answers[:n*size]); err != nil {
			b.Fatal(err)
		}
	}
}

// answerSize is the size of an answer, which is the same each time.
func answerSize(conn net.Conn, in *bufio.Reader, request string) (int, error) {
	if _, err := io.WriteString(conn, request); err != nil {
		return 0, err
	}
	if _, err := in.Peek(1); err != nil {
		return 0, err
	}
	n := in.Buffered()
	if _, err := in.Discard(n); err != nil {
		return 0, fmt.Errorf("%d bytes: %w", n, err)
	}
	return n, nil
}
