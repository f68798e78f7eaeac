package db

import (
	"errors"

	"github.com/go-sql-driver/mysql"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dataErrors are the errors by which a server refuses a row for what is in it. Whatever is not listed (a deadlock, a
// lock timeout, a full disk, a read-only server, a lost connection) is no fault of the row and is tried again.
// Source: the servers' error references.
var dataErrors = map[uint16]bool{
	1048: true, // ER_BAD_NULL_ERROR
	1062: true, // ER_DUP_ENTRY: a broken promise
	1264: true, // ER_WARN_DATA_OUT_OF_RANGE
	1265: true, // WARN_DATA_TRUNCATED
	1292: true, // ER_TRUNCATED_WRONG_VALUE
	1366: true, // ER_TRUNCATED_WRONG_VALUE_FOR_FIELD
	1367: true, // ER_ILLEGAL_VALUE_FOR_TYPE
	1406: true, // ER_DATA_TOO_LONG
	1411: true, // ER_WRONG_VALUE_FOR_TYPE
	1690: true, // ER_DATA_OUT_OF_RANGE
	3140: true, // ER_INVALID_JSON_TEXT
	3819: true, // ER_CHECK_CONSTRAINT_VIOLATED
	3854: true, // ER_CANNOT_CONVERT_STRING
	3988: true, // ER_IMPOSSIBLE_STRING_CONVERSION
	4025: true, // ER_CONSTRAINT_FAILED of MariaDB
}

// IsDataError says that the database refused a row for its data: sent again, it would be refused again.
func IsDataError(err error) bool {
	if m := (*mysql.MySQLError)(nil); errors.As(err, &m) {
		return dataErrors[m.Number]
	}
	if s := (*sqlite.Error)(nil); errors.As(err, &s) {
		code := s.Code() & 0xff
		return code == sqlite3.SQLITE_CONSTRAINT || code == sqlite3.SQLITE_MISMATCH || code == sqlite3.SQLITE_TOOBIG
	}
	return false
}

// IsDuplicate says that a row with that key is there already.
func IsDuplicate(err error) bool {
	if m := (*mysql.MySQLError)(nil); errors.As(err, &m) {
		return m.Number == 1062
	}
	if s := (*sqlite.Error)(nil); errors.As(err, &s) {
		return s.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY || s.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE
	}
	return false
}
