package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"chat-system/internal/config"
)

func isHelp(arg string) bool { return arg == "-h" || arg == "--help" || arg == "-help" }

// help shows one command with its variables, or all of them.
func help(args []string, out, errs io.Writer) int {
	if len(args) == 0 {
		usage(out)
		_, _ = fmt.Fprint(out, "\nAll settings are environment variables:\n\n")
		variables(out, "")
		return 0
	}
	c := find(args[0])
	if c == nil {
		return unknown(args[0], errs)
	}
	line := "chat " + c.name
	if c.args != "" {
		line += " " + c.args
	}
	_, _ = fmt.Fprintf(out, "%s\n\n%s.\n", line, c.doc)
	if c.more != "" {
		_, _ = fmt.Fprintf(out, "%s\n", c.more)
	}
	_, _ = fmt.Fprint(out, "\n")
	variables(out, c.name)
	return 0
}

// variables shows those of a command, or of all.
func variables(out io.Writer, command string) {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "VARIABLE\tDEFAULT\tMEANING")
	secrets := false
	for _, v := range config.Variables {
		if command != "" && !v.For(command) {
			continue
		}
		name, def := v.Name, v.DefaultOf(command)
		if v.Secret {
			name, secrets = name+" *", true
		}
		if def == "" {
			def = "none"
		}
		if command == "" && v.Local != "" {
			def += ", local " + v.Local
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", name, def, v.Doc)
	}
	_ = w.Flush() // out is the terminal
	if secrets {
		_, _ = fmt.Fprint(out, "\n* may also come as NAME_FILE, the path of a file that holds it.\n")
	}
}

func unknown(name string, errs io.Writer) int {
	_, _ = fmt.Fprintf(errs, "chat: there is no command %q\n\n", name)
	usage(errs)
	return 2
}

func usage(w io.Writer) {
	_, _ = fmt.Fprint(w, "chat stores chats. Commands:\n\n")
	for _, c := range commands {
		_, _ = fmt.Fprintf(w, "  %-14s %s\n", c.name, c.doc)
	}
	_, _ = fmt.Fprint(w, "\nTry it: chat local. Every variable: chat help. Those of a command: chat help COMMAND.\n")
}
