package main

import (
	"bytes"
	"strconv"
	"sync/atomic"

	"github.com/go-json-experiment/json"
	"github.com/gofiber/fiber/v2"
)

// bare serves what every figure of HTTP is held against: Fiber handlers that parse the same JSON and answer the same
// JSON as the service, and do nothing else.
func bare(addr string) error {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	var n atomic.Int64
	app.Post("/applications/:token/chats/:number/messages", func(c *fiber.Ctx) error {
		var in struct {
			Body string `json:"body"`
		}
		if err := json.UnmarshalRead(bytes.NewReader(c.Body()), &in); err != nil {
			return err
		}
		c.Status(fiber.StatusAccepted).Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		b := append(make([]byte, 0, 40), `{"message_number":`...)
		return c.Send(append(strconv.AppendInt(b, n.Add(1), 10), '}'))
	})
	app.Get("/applications/:token/chats/:number/messages/:message", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.SendString(`{"number":1,"body":"` + message + `","created_at":"2026-01-01T00:00:00.000000Z","updated_at":"2026-01-01T00:00:00.000000Z"}`)
	})
	return app.Listen(addr)
}

// message is the body of every message that is sent: about what people write.
const message = "Good morning! Shall we meet at ten, by the fountain in the old town?"
