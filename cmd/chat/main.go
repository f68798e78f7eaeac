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
	"syscall"

	"chat-system/internal/config"
	"chat-system/internal/telemetry"
)

// command is one role. Its run returns when the context ends, or earlier with an error.
type command struct {
	name, args, doc string
	run             func(ctx context.Context, e env) error
}

// env is what a command gets.
type env struct {
	config.Config
	args []string
	out  io.Writer
	log  *slog.Logger
}

var commands []command

func init() { // not in the declaration: help refers to it
	commands = []command{
		{"local", "", "the whole service in this process, no server needed; data in DATA_DIR", local},
		{"api", "", "the HTTP API: accepts into Redis, reads Redis and MySQL", runAPI},
		{"flusher", "", "brings what was accepted into MySQL and Elasticsearch", runFlusher},
		{"migrate", "", "creates the database and brings its schema up to date", migrate},
		{"dead-letters", "list|show|retry|discard [ID...]", "what could not be stored", deadLetters},
		{"reindex", "", "builds a new search index behind the alias while the service runs", reindex},
		{"healthcheck", "", "asks this machine's /readyz; for containers without a shell", healthcheck},
		{"version", "", "prints the version", version},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// errUsage says that the command's words are wrong; its text was printed.
var errUsage = errors.New("usage")

func run(ctx context.Context, args, environ []string, out, errs io.Writer) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		return help(args, out, errs)
	}
	c := find(args[0])
	if c == nil {
		_, _ = fmt.Fprintf(errs, "chat: there is no command %q\n\n", args[0])
		usage(errs)
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
	err = c.run(ctx, env{cfg, args[1:], out, log})
	switch {
	case err == nil || (errors.Is(err, context.Canceled) && ctx.Err() != nil):
		return 0
	case errors.Is(err, errUsage):
		_, _ = fmt.Fprintf(errs, "usage: chat %s %s\n", c.name, c.args)
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

func help(args []string, out, errs io.Writer) int {
	if len(args) < 2 {
		usage(out)
		return 0
	}
	c := find(args[1])
	if c == nil {
		_, _ = fmt.Fprintf(errs, "chat: there is no command %q\n", args[1])
		return 2
	}
	_, _ = fmt.Fprintf(out, "chat %s %s\n\n%s.\n\nVariables:\n", c.name, c.args, c.doc)
	for _, v := range config.Variables {
		if !v.For(c.name) {
			continue
		}
		def := v.DefaultOf(c.name)
		if def == "" {
			def = "none"
		}
		file := ""
		if v.Secret {
			file = "; or " + v.Name + "_FILE, a path to read it from"
		}
		_, _ = fmt.Fprintf(out, "  %-24s %s%s (default %s)\n", v.Name, v.Doc, file, def)
	}
	return 0
}

func usage(w io.Writer) {
	_, _ = fmt.Fprint(w, "chat stores chats. Commands:\n\n")
	for _, c := range commands {
		_, _ = fmt.Fprintf(w, "  %-14s %s\n", c.name, c.doc)
	}
	_, _ = fmt.Fprint(w, "\nTry it: chat local. The variables of a command: chat help COMMAND.\n")
}

func version(_ context.Context, e env) error {
	_, err := fmt.Fprintf(e.out, "chat %s (%s)\n", telemetry.Version, telemetry.Revision)
	return err
}
