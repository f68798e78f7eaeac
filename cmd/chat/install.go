package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// certificates of the public authorities are where the image has them.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// install copies this program into a folder, under the name chat, and the public authorities' certificates beside it. A backup's pod
// runs it in the container of Redis, which has redis-server and may have no certificates.
func install(_ context.Context, e env) error {
	if len(e.args) != 1 {
		return errUsage
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if err := copyFile(program, e.args[0], "chat", 0o555); err != nil {
		return err
	}
	err = copyFile(certificates, e.args[0], filepath.Base(certificates), 0o444)
	if errors.Is(err, os.ErrNotExist) {
		return nil // no image of ours: the machine has its own place for them
	}
	return err
}

// copyFile puts a file into a folder. Who looks meanwhile sees no half of it.
func copyFile(file, folder, name string, mode os.FileMode) error {
	from, err := os.Open(file) //nolint:gosec // it is this program, or a constant
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // it was only read
	to, err := os.CreateTemp(folder, "."+name+"-*")
	if err != nil {
		return fmt.Errorf("FOLDER: %v", err) //nolint:errorlint // a folder that is missing is no file that is missing
	}
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Chmod(mode), to.Close()); err == nil {
		err = os.Rename(to.Name(), filepath.Join(folder, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(to.Name()))
	}
	return nil
}
