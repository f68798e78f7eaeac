// Package enginetest starts real engines for tests: MySQL or MariaDB, Redis, Elasticsearch, an S3 storage; and finds a
// Chromium for the page.
//
// Each test has what it asks for to itself, on a free port and with its own data folder, and it ends with the test; what
// is called Shared belongs to the whole test binary and gives each test a name of its own there. When the test process
// dies, by whatever means, its engines are killed and its data folders removed.
//
// Spawn and FreeAddr are for the processes of the service itself, which end with the test process too.
//
// With -short every function here skips the test. A program that is missing is an error which says `make engines`.
//
// The programs are those on PATH, unless these variables say otherwise:
//
//	CHAT_TEST_MYSQLD             mysqld or mariadbd, a command with leading arguments, separated by spaces
//	                             (--no-defaults among them, when it has any options)
//	CHAT_TEST_VERSITYGW          versitygw, likewise
//	CHAT_TEST_ELASTICSEARCH_URL  a running Elasticsearch that SharedElasticsearch uses; `make test` sets it
package enginetest
