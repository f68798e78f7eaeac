//go:build !kubernetes

package backup

// openS3 needs a build with the tag kubernetes.
func openS3(_, _ string, _ S3) (Storage, error) {
	return nil, failure(Invalid, "BACKUP_STORAGE is s3://, which this build leaves out: use the image, or build with -tags kubernetes")
}
