package enginetest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// program gives the command that a variable names, or else the first of the programs that is installed.
func program(variable string, names ...string) ([]string, error) {
	if command := strings.Fields(os.Getenv(variable)); len(command) > 0 {
		return command, nil
	}
	return installed(names...)
}

// installed gives the path of the first of some programs that is there.
func installed(names ...string) ([]string, error) {
	for _, name := range names {
		for _, place := range []string{name, "/usr/sbin/" + name} { // a user's PATH may lack /usr/sbin
			if path, err := exec.LookPath(place); err == nil {
				return []string{path}, nil
			}
		}
	}
	return nil, fmt.Errorf("%s is not installed: run `make engines`, or the tests with -short", strings.Join(names, " or "))
}
