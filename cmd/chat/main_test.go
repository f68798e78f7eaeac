package main

import (
	"bytes"
	"strings"
	"testing"

	"chat-system/internal/config"
)

// said runs a command to its end.
func said(t *testing.T, environ []string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, environ, &o, &e)
	return code, o.String(), e.String()
}

func TestHelpListsEveryVariableWithItsDefault(t *testing.T) {
	t.Parallel()
	code, all, errs := said(t, nil, "help")
	if code != 0 || errs != "" {
		t.Fatal(code, errs)
	}
	for _, v := range config.Variables {
		if !strings.Contains(all, "\n"+v.Name+" ") || !strings.Contains(all, v.Default) || !strings.Contains(all, v.Local) {
			t.Errorf("%s is missing in:\n%s", v.Name, all)
		}
	}
	for _, c := range commands {
		code, one, errs := said(t, nil, "help", c.name)
		if code != 0 || errs != "" || !strings.Contains(one, c.doc) {
			t.Errorf("help %s: %d %s %s", c.name, code, one, errs)
		}
		for _, v := range config.Variables {
			if strings.Contains(one, "\n"+v.Name+" ") != v.For(c.name) {
				t.Errorf("help %s and %s:\n%s", c.name, v.Name, one)
			}
		}
		if _, flagged, _ := said(t, nil, c.name, "--help"); flagged != one {
			t.Errorf("%s --help differs:\n%s", c.name, flagged)
		}
	}
}

func TestADatabaseHostMayHaveAPort(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"db": "db:3306", "db:3307": "db:3307", "10.0.0.1": "10.0.0.1:3306", "::1": "[::1]:3306", "[::1]": "[::1]:3306", "[::1]:3307": "[::1]:3307",
	} {
		if got := withPort(host); got != want {
			t.Errorf("%s becomes %s, want %s", host, got, want)
		}
	}
}

func TestWrongWordsAreExplained(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ words, want string }{
		{"serve", `no command "serve"`}, {"help serve", `no command "serve"`}, {"local now", "takes no arguments"}, {"version -v", "takes no arguments"},
		{"dead-letters", "retry ID"}, {"dead-letters show", "retry ID"}, {"dead-letters drop all", "retry ID"}, {"dead-letters list lost", "retry ID"},
	} {
		code, out, errs := said(t, []string{"DATABASE_URL=root@tcp(127.0.0.1:1)/chat", "ELASTICSEARCH_URL="}, strings.Fields(c.words)...)
		if code != 2 || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("chat %s: %d %q %q", c.words, code, out, errs)
		}
	}
	if code, out, _ := said(t, nil); code != 0 || !strings.Contains(out, "chat local") {
		t.Errorf("chat alone: %d %s", code, out)
	}
	if code, out, _ := said(t, nil, "version"); code != 0 || !strings.HasPrefix(out, "chat ") {
		t.Errorf("version: %d %s", code, out)
	}
}
