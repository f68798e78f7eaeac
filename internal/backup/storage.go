package backup

import (
	"context"
	"io"
	"strings"
	"time"
)

// Storage is where backups lie: flat, under file names that hold no slash. Its errors are an *Error: StorageFull,
// StorageUnreachable, StorageRefused, and NotFound.
type Storage interface {
	// Location is the place for people to read, without a secret.
	Location() string
	// Put stores what r gives, all of it or nothing, instead of what was there. An error of r is returned as it is.
	Put(ctx context.Context, file string, r io.Reader) error
	// Get opens a file.
	Get(ctx context.Context, file string) (io.ReadCloser, error)
	// List gives all files, also those that a Put left unfinished.
	List(ctx context.Context) ([]File, error)
	// Delete removes what has the file's name; where the file is unfinished, what is unfinished of that name and nothing
	// else. That it is gone already is fine.
	Delete(ctx context.Context, file File) error
}

// File is what a Storage holds.
type File struct {
	Name       string
	Size       int64 // bytes
	Modified   time.Time
	Unfinished bool // what a Put left that was killed
}

// S3 is how to reach an S3 storage. A key that is empty is looked for where AWS' own programs look.
type S3 struct {
	Endpoint                               string // a URL; empty: Amazon's
	Region, KeyID, SecretKey, SessionToken string
}

const s3Scheme = "s3://"

// OpenStorage opens a folder, which is made, or s3://bucket/prefix.
func OpenStorage(where string, s3 S3) (Storage, error) {
	if where == "" {
		return nil, failure(Invalid, "BACKUP_STORAGE is empty: it is a folder or s3://bucket/prefix")
	}
	if place, ok := strings.CutPrefix(where, s3Scheme); ok {
		bucket, prefix, _ := strings.Cut(place, "/")
		return openS3(bucket, prefix, s3)
	}
	return openFolder(where)
}
