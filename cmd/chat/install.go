package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// install copies this program into a folder, under the name chat. A backup's pod runs it in the container of Redis, which
// has redis-server beside it. Who looks at the folder meanwhile sees no half of a program.
func install(_ context.Context, e env) error {
	if len(e.args) != 1 {
		return errUsage
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	from, err := os.Open(program) //nolint:gosec // it is this program's own file
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // it was only read
	to, err := os.CreateTemp(e.args[0], ".chat-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Chmod(0o555), to.Close()); err == nil {
		err = os.Rename(to.Name(), filepath.Join(e.args[0], "chat"))
	}
	if err != nil {
		return errors.Join(err, os.Remove(to.Name()))
	}
	return nil
}
