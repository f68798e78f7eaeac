// Command chat is every role of chat-system: see `chat help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"chat-system/internal/config"
	"chat-system/internal/telemetry"
)

// command is one role. Its run returns when the context ends, or earlier with an error.
type command struct {
	name, args, doc string
	more            string // lines of help, where a line is not enough
	run             func(ctx context.Context, e env) error
}

// env is what a command gets.
type env struct {
	config.Config
	environ []string
	args    []string
	out     io.Writer
	log     *slog.Logger
}

var commands []command

func init() { // not in the declaration: help refers to it
	commands = []command{
		{name: "local", doc: "the whole service in this process, no server needed; data in DATA_DIR", run: local},
		{name: "api", doc: "the HTTP API: accepts into Redis, reads Redis and MySQL", run: runAPI},
		{name: "flusher", doc: "brings what was accepted into MySQL and Elasticsearch", run: runFlusher},
		{name: "migrate", doc: "creates the database and brings its schema up to date", run: migrate},
		{name: "dead-letters", args: "list|show|retry|discard ...", doc: "what could not be stored", more: lettersHelp, run: deadLetters},
		{name: "reindex", doc: "builds a new search index behind the alias while the service runs", run: reindex},
		{name: "backup", args: "take|list|verify|prune|fetch|delete ...", doc: "backups of the queue in Redis", more: backupHelp, run: runBackup},
		{name: "restore", args: "NAME [--dry-run]", doc: "brings back from a backup what MySQL lacks", more: restoreHelp, run: restoreBackup},
		{name: "healthcheck", doc: "asks this machine's /readyz; for containers without a shell", run: healthcheck},
		{name: "smoke-test", doc: "posts, reads and finds a message of the service at CHAT_URL", run: smokeTest},
		{name: "install", args: "FOLDER", doc: "copies this program into a folder, for a container of another image", run: install},
		{name: "version", doc: "prints the version", run: version},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// gcPercent lets the heap, which is small, grow to four times what is in use before it is cleaned: a request costs less.
const gcPercent = 300

// errUsage says that the command's words are wrong; its text was printed.
var errUsage = errors.New("usage")

func run(ctx context.Context, args, environ []string, out, errs io.Writer) int {
	if len(args) == 0 {
		usage(out)
		return 0
	}
	if isHelp(args[0]) || args[0] == "help" {
		return help(args[1:], out, errs)
	}
	c := find(args[0])
	if c == nil {
		return unknown(args[0], errs)
	}
	if slices.ContainsFunc(args[1:], isHelp) {
		return help(args[:1], out, errs)
	}
	if c.args == "" && len(args) > 1 {
		_, _ = fmt.Fprintf(errs, "chat %s takes no arguments: its settings are environment variables, see chat help %s\n", c.name, c.name)
		return 2
	}
	cfg, warnings, err := config.Load(c.name, environ)
	if err != nil {
		_, _ = fmt.Fprintf(errs, "chat %s: the configuration is wrong:\n%v\n", c.name, err)
		return 2
	}
	log := telemetry.NewLogger(errs, cfg.LogFormat, cfg.LogLevel)
	for _, w := range warnings {
		log.Warn("configuration", "warning", w)
	}
	err = c.run(ctx, env{cfg, environ, args[1:], out, log})
	switch {
	case err == nil || (errors.Is(err, context.Canceled) && ctx.Err() != nil):
		return 0
	case errors.Is(err, errUsage):
		_, _ = fmt.Fprintf(errs, "usage: chat %s %s\n%s\n", c.name, c.args, c.more)
		return 2
	}
	_, _ = fmt.Fprintf(errs, "chat %s: %v\n", c.name, err)
	return 1
}

func find(name string) *command {
	for i := range commands {
		if commands[i].name == name {
			return &commands[i]
		}
	}
	return nil
}

func version(_ context.Context, e env) error {
	_, err := fmt.Fprintf(e.out, "chat %s (%s)\n", telemetry.Version, telemetry.Revision)
	return err
}
