// Package db is the database: MySQL, MariaDB, or SQLite in local mode. Its schema lies in schema/, its queries in
// queries/; what is generated from them runs on all three, so both keep to what all three understand.
package db
