package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	smokeTime  = 2 * time.Minute // for all of it
	smokeCall  = 15 * time.Second
	smokePause = 500 * time.Millisecond
)

// smokeTest uses the service once as a client does: an application, a chat, a message, which is read and found.
//
// Like a client it asks again while the service can't be reached or is unavailable, since a Service's address leads to its pods
// a moment after they are ready. Each POST has a key, so that nothing is written twice.
func smokeTest(ctx context.Context, e env) error {
	ctx, cancel := context.WithTimeout(ctx, smokeTime)
	defer cancel()
	c := &smokeClient{base: strings.TrimRight(e.ServiceURL, "/"), admin: e.AdminToken, out: e.out}
	var app struct{ Token string }
	if err := c.call(ctx, http.MethodPost, "/applications", map[string]string{"name": "smoke test"}, &app); err != nil {
		return err
	}
	chat := "/applications/" + app.Token + "/chats"
	if err := c.call(ctx, http.MethodPost, chat, struct{}{}, nil); err != nil {
		return err
	}
	messages, word := chat+"/1/messages", rand.Text()
	if err := c.call(ctx, http.MethodPost, messages, map[string]string{"body": "smoke test " + word}, nil); err != nil {
		return err
	}
	var message struct{ Body string }
	if err := c.call(ctx, http.MethodGet, messages+"/1", nil, &message); err != nil {
		return err
	}
	if !strings.HasSuffix(message.Body, word) {
		return fmt.Errorf("the message that was posted reads %q", message.Body)
	}
	_, _ = fmt.Fprintln(e.out, "a message was posted and read")
	return c.find(ctx, messages+"/search?q="+url.QueryEscape(word))
}

type smokeClient struct {
	base, admin string
	out         io.Writer
	waits       string // for what, as last told
}

// find waits until the message is found: search is a moment behind.
func (c *smokeClient) find(ctx context.Context, path string) error {
	for {
		var found []json.RawMessage
		switch err := c.call(ctx, http.MethodGet, path, nil, &found); {
		case err != nil && strings.HasPrefix(err.Error(), "501"):
			_, _ = fmt.Fprintln(c.out, "search is switched off")
			return nil
		case err != nil:
			return err
		case len(found) == 1:
			_, _ = fmt.Fprintln(c.out, "and found")
			return nil
		}
		if err := c.wait(ctx, errors.New("the message is not found")); err != nil {
			return err
		}
	}
}

// call sends a request until the service is there to answer it, and decodes the answer; another status than 2xx is an error that
// begins with it.
func (c *smokeClient) call(ctx context.Context, method, path string, body, into any) error {
	key := rand.Text()
	for {
		err := c.once(ctx, method, path, key, body, into)
		if _, away := errors.AsType[awayError](err); !away {
			return err
		}
		if err := c.wait(ctx, err); err != nil {
			return err
		}
	}
}

// wait pauses, and says what for where that is new. It fails with that when the time is up.
func (c *smokeClient) wait(ctx context.Context, what error) error {
	if ctx.Err() == nil { // else it is that alone
		if text := what.Error(); text != c.waits {
			c.waits = text
			_, _ = fmt.Fprintln(c.out, "not yet:", text)
		}
	}
	pause := time.NewTimer(smokePause)
	defer pause.Stop()
	select {
	case <-pause.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("not in time: %s: %w", c.waits, ctx.Err())
	}
}

// awayError is of a service that did not answer, or answered that it is unavailable.
type awayError struct{ error }

func (c *smokeClient) once(ctx context.Context, method, path, key string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, smokeCall)
	defer cancel()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if method == http.MethodPost {
		r.Header.Set("Idempotency-Key", key)
	}
	if c.admin != "" {
		r.Header.Set("Authorization", "Bearer "+c.admin)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return awayError{err}
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return awayError{err}
	}
	switch answer.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		var problem struct{ Detail string } // an ingress may answer something else
		_ = json.Unmarshal(text, &problem)
		return awayError{fmt.Errorf("%s %s", answer.Status, problem.Detail)}
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", answer.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}
