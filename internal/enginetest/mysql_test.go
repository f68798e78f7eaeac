package enginetest_test

import (
	"database/sql"
	"testing"

	"chat-system/internal/enginetest"
)

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestMySQLKeepsItsDataOverAKillOnTheSamePort(t *testing.T) {
	t.Parallel()
	m := enginetest.MySQL(t, "--max-connections=17")
	db := open(t, m.DSN)
	for _, statement := range []string{"CREATE TABLE kept (n INT PRIMARY KEY)", "INSERT INTO kept VALUES (7)"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	m.Kill()
	if err := db.PingContext(t.Context()); err == nil {
		t.Fatal("a killed server answers")
	}
	m.Start()
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT n FROM kept").Scan(&n); err != nil || n != 7 {
		t.Fatalf("after the restart the row is %d, %v", n, err)
	}
	var flush, sync, packet, connections int
	err := db.QueryRowContext(t.Context(), "SELECT @@innodb_flush_log_at_trx_commit, @@sync_binlog, @@max_allowed_packet, @@max_connections").
		Scan(&flush, &sync, &packet, &connections)
	if err != nil {
		t.Fatal(err)
	}
	if flush != 1 || sync != 1 || packet != 64<<20 || connections != 17 {
		t.Errorf("flush %d, sync_binlog %d, packet %d, connections %d", flush, sync, packet, connections)
	}
}

func TestEachTestHasADatabaseOfItsOwnOnTheSharedServer(t *testing.T) {
	t.Parallel()
	one, two := open(t, enginetest.SharedMySQL(t)), open(t, enginetest.SharedMySQL(t))
	for _, db := range []*sql.DB{one, two} {
		if _, err := db.ExecContext(t.Context(), "CREATE TABLE same_name (n INT)"); err != nil {
			t.Fatal(err)
		}
	}
	var port1, port2 int
	if err := one.QueryRowContext(t.Context(), "SELECT @@port").Scan(&port1); err != nil {
		t.Fatal(err)
	}
	if err := two.QueryRowContext(t.Context(), "SELECT @@port").Scan(&port2); err != nil {
		t.Fatal(err)
	}
	if port1 != port2 {
		t.Errorf("two servers, on %d and %d", port1, port2)
	}
}
