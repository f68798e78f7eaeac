package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	smokeTime  = 2 * time.Minute // for all of it
	smokePause = 500 * time.Millisecond
)

// smokeTest uses the service once as a client does: an application, a chat, a message, which is read and found.
func smokeTest(ctx context.Context, e env) error {
	ctx, cancel := context.WithTimeout(ctx, smokeTime)
	defer cancel()
	c := smokeClient{base: strings.TrimRight(e.ServiceURL, "/"), admin: e.AdminToken}
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
	return c.find(ctx, e, messages+"/search?q="+url.QueryEscape(word))
}

type smokeClient struct{ base, admin string }

// find waits until the message is found: search is a moment behind.
func (c smokeClient) find(ctx context.Context, e env, path string) error {
	for {
		var found []json.RawMessage
		err := c.call(ctx, http.MethodGet, path, nil, &found)
		switch {
		case err != nil && strings.HasPrefix(err.Error(), "501"):
			_, _ = fmt.Fprintln(e.out, "search is switched off")
			return nil
		case err == nil && len(found) == 1:
			_, _ = fmt.Fprintln(e.out, "and found")
			return nil
		}
		pause := time.NewTimer(smokePause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			if err == nil {
				err = ctx.Err()
			}
			return fmt.Errorf("the message is not found: %w", err)
		}
	}
}

// call sends a request and decodes the answer; another status than 2xx is an error that begins with it.
func (c smokeClient) call(ctx context.Context, method, path string, body, into any) error {
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
	if c.admin != "" {
		r.Header.Set("Authorization", "Bearer "+c.admin)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", answer.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}
