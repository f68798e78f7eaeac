package enginetest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	_ "github.com/go-sql-driver/mysql" // registers "mysql"
)

// MySQLServer is a MySQL or MariaDB of a test's own.
type MySQLServer struct {
	*Process
	Addr    string // host:port; user root, no password
	DSN     string // of an empty database, without parameters
	MariaDB bool
}

// MySQL starts a server that keeps what it commits: redo log and binary log are synced at every commit. Flags follow and
// override its own: MySQL(t, "--max-connections=5").
func MySQL(t TB, flags ...string) *MySQLServer {
	t.Helper()
	needEngines(t)
	m, err := mysqlServer(flags)
	if err != nil {
		t.Fatalf("%v", err)
	}
	p := own(t, m.server)
	if err := createDatabase(m.addr, "chat_test"); err != nil {
		t.Fatalf("%v", err)
	}
	return &MySQLServer{Process: p, Addr: m.addr, DSN: dsn(m.addr, "chat_test"), MariaDB: m.mariaDB}
}

// dsn is in the form of github.com/go-sql-driver/mysql.
func dsn(addr, database string) string { return "root@tcp(" + addr + ")/" + database }

type mysqlInstance struct {
	*server
	addr    string
	mariaDB bool
}

func mysqlServer(flags []string) (*mysqlInstance, error) {
	d, err := findMySQLD()
	if err != nil {
		return nil, err
	}
	template, err := d.template()
	if err != nil {
		return nil, err
	}
	dir, err := newDir("mysql")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if err := os.CopyFS(data, os.DirFS(template)); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	m := &mysqlInstance{addr: fmt.Sprintf("127.0.0.1:%d", port), mariaDB: d.mariaDB}
	m.server = &server{
		name: filepath.Base(d.program()), dir: dir,
		command: append(d.args(data), append([]string{
			"--bind-address=127.0.0.1", fmt.Sprintf("--port=%d", port),
			"--socket=" + filepath.Join(dir, "socket"), "--pid-file=" + filepath.Join(dir, "pid"), "--tmpdir=" + dir,
			"--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1", "--server-id=1", "--log-bin=binlog",
			"--max-allowed-packet=64M", "--max-connections=500", "--local-infile=ON", "--secure-file-priv=",
			"--innodb-buffer-pool-size=64M", "--performance-schema=OFF",
		}, flags...)...),
		ready: func(ctx context.Context) error { return onServer(ctx, m.addr, "DO 1") },
	}
	return m, nil
}

func createDatabase(addr, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	return onServer(ctx, addr, "CREATE DATABASE `"+name+"` CHARACTER SET utf8mb4")
}

// onServer runs one statement on a connection of its own.
func onServer(ctx context.Context, addr, statement string) error {
	db, err := sql.Open("mysql", dsn(addr, ""))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(ctx, statement)
	return err
}

// onDisk mounts a disk of so many KiB over the data folder in a mount namespace of the server's own, which ends with it, and
// brings the data there.
const onDisk = `set -e
mount -t tmpfs -o mode=0755,size="$1"k disk "$2.disk"
cp -a "$2/." "$2.disk/"
mount --bind "$2.disk" "$2"
shift 2
exec "$@"`

// MySQLOnDisk starts a server whose data lies on a small disk in memory, with so much room left; its logs lie elsewhere. It
// gives the folder in which a test reaches the disk. What is on it is gone when the server ends.
func MySQLOnDisk(t TB, room int64) (m *MySQLServer, folder string) {
	t.Helper()
	needEngines(t)
	i, err := mysqlServer(nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	data := filepath.Join(i.dir, "data")
	if err := os.Mkdir(data+".disk", 0o755); err != nil {
		t.Fatalf("%v", err)
	}
	used, err := output([]string{"du", "-sk", data})
	if err != nil {
		t.Fatalf("%v", err)
	}
	var kib int64
	if _, err := fmt.Sscan(used, &kib); err != nil {
		t.Fatalf("%v", err)
	}
	i.command = append(i.command, "--log-bin="+filepath.Join(i.dir, "binlog"))
	namespace := []string{"unshare", "--mount"}
	if os.Getuid() != 0 { // mounts as root of a user namespace, where the machine lets its users make one
		namespace = append(namespace, "--user", "--map-root-user")
		i.command = append(i.command, "--user=root")
	}
	i.command = append(append(namespace, "sh", "-c", onDisk, "sh", fmt.Sprint(kib+room>>10), data), i.command...)
	p := own(t, i.server)
	if err := createDatabase(i.addr, "chat_test"); err != nil {
		t.Fatalf("%v", err)
	}
	return &MySQLServer{Process: p, Addr: i.addr, DSN: dsn(i.addr, "chat_test"), MariaDB: i.mariaDB}, fmt.Sprintf("/proc/%d/root%s", p.Pid(), data)
}
