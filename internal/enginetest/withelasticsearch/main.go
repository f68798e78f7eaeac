// Command withelasticsearch runs a command beside an Elasticsearch that all of its tests share:
//
//	go run ./internal/enginetest/withelasticsearch go test ./...
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"chat-system/internal/enginetest"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: withelasticsearch COMMAND [ARGUMENT...]")
		os.Exit(2)
	}
	os.Exit(run(os.Args[1], os.Args[2:]))
}

func run(name string, args []string) int {
	t := &enginetest.Standalone{}
	defer t.Close()
	command := exec.Command(name, args...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.Env = append(os.Environ(), "CHAT_TEST_ELASTICSEARCH_URL="+enginetest.Elasticsearch(t).URL)
	signal.Notify(make(chan os.Signal, 1), os.Interrupt) // the terminal sends it to the command as well, which decides
	err := command.Run()
	if exit := (&exec.ExitError{}); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		t.Logf("%v", err)
		return 1
	}
	return 0
}
