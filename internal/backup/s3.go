package backup

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	partSize  = 16 << 20 // bytes that are held in memory while they are sent; 10,000 of them are the largest file
	s3Retries = 5
)

// bucket is a Storage in S3.
type bucket struct {
	client       *minio.Client
	name, prefix string // the prefix is empty or ends with a slash
}

func openS3(name, prefix string, s S3) (Storage, error) {
	o := &minio.Options{Secure: true, Region: s.Region, MaxRetries: s3Retries}
	host := "s3.amazonaws.com"
	if s.Endpoint != "" {
		u, err := url.Parse(s.Endpoint)
		if err != nil || u.Host == "" {
			return nil, failure(Invalid, "S3_ENDPOINT is no URL")
		}
		host, o.Secure = u.Host, u.Scheme == "https"
	}
	if s.KeyID != "" {
		o.Creds = credentials.NewStaticV4(s.KeyID, s.SecretKey, s.SessionToken)
	} else {
		o.Creds = credentials.NewIAM("") // of the pod's service account, the container or the machine
	}
	client, err := minio.New(host, o)
	if err != nil {
		return nil, failure(Invalid, "the storage %s%s: %w", s3Scheme, name, err)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return &bucket{client, name, prefix}, nil
}

// Location implements Storage.
func (b *bucket) Location() string {
	return s3Scheme + strings.TrimSuffix(b.name+"/"+b.prefix, "/")
}

// Put implements Storage.
func (b *bucket) Put(ctx context.Context, file string, r io.Reader) error {
	in := &noting{Reader: r}
	_, err := b.client.PutObject(ctx, b.name, b.prefix+file, in, -1, minio.PutObjectOptions{PartSize: partSize})
	if in.err != nil {
		return in.err
	}
	return b.failed(err)
}

// Get implements Storage.
func (b *bucket) Get(ctx context.Context, file string) (io.ReadCloser, error) {
	o, err := b.client.GetObject(ctx, b.name, b.prefix+file, minio.GetObjectOptions{})
	if err != nil {
		return nil, b.failed(err)
	}
	if _, err := o.Stat(); err != nil { // GetObject sends nothing yet
		_ = o.Close()
		return nil, b.failed(err)
	}
	return o, nil
}

// List implements Storage.
func (b *bucket) List(ctx context.Context) ([]File, error) {
	ctx, stop := context.WithCancel(ctx) // ends the listing where it is left early
	defer stop()
	var files []File
	for o := range b.client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix}) {
		if o.Err != nil {
			return nil, b.failed(o.Err)
		}
		if !strings.HasSuffix(o.Key, "/") {
			files = append(files, File{Name: path.Base(o.Key), Size: o.Size, Modified: o.LastModified})
		}
	}
	for o := range b.client.ListIncompleteUploads(ctx, b.name, b.prefix, false) {
		if o.Err != nil {
			break // not everyone may list those, nor knows them; they only take room
		}
		if backupOf(path.Base(o.Key)) != "" {
			files = append(files, File{Name: path.Base(o.Key), Size: o.Size, Modified: o.Initiated, Unfinished: true})
		}
	}
	return files, nil
}

// Delete implements Storage.
func (b *bucket) Delete(ctx context.Context, file File) error {
	if file.Unfinished {
		return b.failed(b.client.RemoveIncompleteUpload(ctx, b.name, b.prefix+file.Name))
	}
	return b.failed(b.client.RemoveObject(ctx, b.name, b.prefix+file.Name, minio.RemoveObjectOptions{}))
}

// failed gives what S3 answered, or that it did not, its reason.
func (b *bucket) failed(err error) error {
	if err == nil {
		return nil
	}
	answer := minio.ToErrorResponse(err)
	err = fmt.Errorf("%s: %w", b.Location(), err)
	switch {
	case answer.Code == "NoSuchUpload": // it is gone
		return nil
	case answer.Code == "NoSuchKey":
		return failure(NotFound, "%w", err)
	case answer.StatusCode == http.StatusInsufficientStorage, strings.Contains(answer.Code, "StorageFull"), strings.Contains(answer.Code, "QuotaExceeded"):
		return failure(StorageFull, "the storage is full: %w", err)
	case answer.StatusCode == http.StatusForbidden, answer.StatusCode == http.StatusUnauthorized:
		return failure(StorageRefused, "the storage refuses: %w", err)
	}
	return failure(StorageUnreachable, "the storage can't be used: %w", err)
}
