// Package apitest holds a server to the HTTP contract from outside: it needs a base URL and nothing else, so that the same
// suite runs against a Server in a test, local mode, and pods on real engines. Every answer, and every request that was
// accepted, is validated against openapi.yaml.
package apitest
