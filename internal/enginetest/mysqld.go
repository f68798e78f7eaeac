package enginetest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// mysqld is the server program, of either kind.
type mysqld struct {
	command []string
	version string
	mariaDB bool
}

var findMySQLD = sync.OnceValues(func() (*mysqld, error) {
	command, err := program("CHAT_TEST_MYSQLD", "mariadbd", "mysqld")
	if err != nil {
		return nil, err
	}
	if !slices.Contains(command, "--no-defaults") {
		command = append(command, "--no-defaults") // the machine's settings are not the tests'
	}
	d := &mysqld{command: command}
	version, err := d.run("--version")
	if err != nil {
		return nil, err
	}
	d.version, d.mariaDB = version, strings.Contains(version, "MariaDB")
	return d, nil
})

// program is the file, behind a loader and before the options.
func (d *mysqld) program() string {
	return d.command[slices.Index(d.command, "--no-defaults")-1]
}

// args is the command for a data folder, before what differs between initialising and serving.
func (d *mysqld) args(data string) []string {
	args := append(slices.Clone(d.command), "--datadir="+data)
	if os.Getuid() == 0 {
		args = append(args, "--user=root")
	}
	if d.mariaDB {
		return append(args, "--innodb-log-file-size=64M", "--binlog-format=ROW")
	}
	return append(args, "--mysqlx=OFF", "--innodb-redo-log-capacity=64M")
}

func (d *mysqld) run(args ...string) (string, error) {
	return output(append(slices.Clone(d.command), args...))
}

func output(command []string) (string, error) {
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, out)
	}
	return string(out), nil
}

// template gives an initialised data folder to copy from. Initialising takes seconds, so it is done once a machine
// and version.
func (d *mysqld) template() (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	id := sha256.Sum256([]byte(fmt.Sprint(d.args("data"), d.version)))
	template := filepath.Join(cache, fmt.Sprintf("mysql-%x", id[:8]))
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(template + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(template); err == nil {
		return template, nil
	}
	unfinished := template + ".new" // left by whoever was killed meanwhile
	if err := os.RemoveAll(unfinished); err != nil {
		return "", err
	}
	if err := d.initialise(unfinished); err != nil {
		return "", err
	}
	return template, os.Rename(unfinished, template)
}

func (d *mysqld) initialise(data string) error {
	if !d.mariaDB {
		_, err := output(append(d.args(data), "--initialize-insecure"))
		return err
	}
	install, err := program("CHAT_TEST_MARIADB_INSTALL_DB", "mariadb-install-db")
	if err != nil {
		return err
	}
	options := d.args(data)[slices.Index(d.command, "--no-defaults"):]
	_, err = output(append(append(install, options...), "--auth-root-authentication-method=normal", "--skip-test-db"))
	return err
}

// lock waits for a file lock, which ends with this process at the latest.
func lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return func() { _ = f.Close() }, nil
}
