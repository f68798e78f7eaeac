package enginetest

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
)

var sharedMySQLServer = sync.OnceValues(func() (*mysqlInstance, error) {
	m, err := mysqlServer(nil)
	if err != nil {
		return nil, err
	}
	return m, m.start()
})

// SharedMySQL gives the DSN of an empty database, without parameters, on the server that all tests of this binary share.
// It is dropped after the test.
func SharedMySQL(t TB) string {
	t.Helper()
	needEngines(t)
	m, err := sharedMySQLServer()
	if err != nil {
		t.Fatalf("%v", err)
	}
	name := UniqueName("chat_test")
	if err := createDatabase(m.addr, name); err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if err := onServer(ctx, m.addr, "DROP DATABASE `"+name+"`"); err != nil {
			t.Logf("dropping the test's database: %v", err)
		}
	})
	return dsn(m.addr, name)
}

// UniqueName gives a name that no other test uses, fit for a database or an index: prefix_ and 26 lower-case letters
// and digits.
func UniqueName(prefix string) string {
	return prefix + "_" + strings.ToLower(rand.Text())
}
