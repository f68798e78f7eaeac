// Package store is what a chat store does, whatever asks for it: create, read, rename, list, post, edit and search.
//
// A write goes to internal/queue, which acknowledges it; the flusher brings it into the database later. So a read
// asks the queue for what is pending first and the database second, and the higher version wins. In the other order a
// write that is flushed in between would be seen in neither.
package store
