package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Reason is why something failed, one word for machines.
type Reason string

// The reasons.
const (
	Unreachable        Reason = "Unreachable"        // Redis does not answer
	Refused            Reason = "Refused"            // Redis does not let this user do it
	Changed            Reason = "Changed"            // slots of the Cluster moved while it was copied
	StorageFull        Reason = "StorageFull"        // the storage takes no more
	StorageUnreachable Reason = "StorageUnreachable" // the storage does not answer, or is not there
	StorageRefused     Reason = "StorageRefused"     // the storage does not let this user do it
	TemporaryFull      Reason = "TemporaryFull"      // the folder for temporary files has no room
	NotFound           Reason = "NotFound"           // there is no such backup
	Corrupt            Reason = "Corrupt"            // its bytes are not what was stored, or no RDB
	Inconsistent       Reason = "Inconsistent"       // it loads, and its keys do not agree
	TooOld             Reason = "TooOld"             // this redis-server is older than what made the backup
	ProgramMissing     Reason = "ProgramMissing"     // redis-server or redis-cli is not installed
	TimedOut           Reason = "TimedOut"           // BACKUP_TIMEOUT passed
	Interrupted        Reason = "Interrupted"        // the run was told to end
	Invalid            Reason = "Invalid"            // what was asked for makes no sense
	Failed             Reason = "Failed"             // anything else
)

// Error is a failure with its reason. Its text holds no secret.
type Error struct {
	Reason Reason
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives what it was made of.
func (e *Error) Unwrap() error { return e.Err }

func failure(r Reason, format string, args ...any) error {
	return &Error{r, fmt.Errorf(format, args...)}
}

// ReasonOf an error, Failed where it has none and "" for nil.
func ReasonOf(err error) Reason {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Reason
	case errors.Is(err, context.DeadlineExceeded):
		return TimedOut
	case errors.Is(err, context.Canceled):
		return Interrupted
	}
	return Failed
}

// interrupted gives a failure the reason of the context where that has ended: what broke then is its consequence.
func interrupted(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return failure(TimedOut, "it took longer than it may (%w)", err)
	}
	return failure(Interrupted, "told to end (%w)", err)
}

// temporary gives what went wrong with a temporary file its reason.
func temporary(err error) error {
	if full(err) {
		return failure(TemporaryFull, "the folder for temporary files, %s, is full; TMPDIR names another: %w", os.TempDir(), err)
	}
	return err
}

// full says whether a file could not grow: the disk, the quota or what the process may write is used up.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// stored gives what went wrong with a folder its reason.
func stored(err error) error {
	switch {
	case err == nil:
		return nil
	case full(err):
		return failure(StorageFull, "the storage is full: %w", err)
	case errors.Is(err, fs.ErrPermission):
		return failure(StorageRefused, "the storage refuses: %w", err)
	}
	return failure(StorageUnreachable, "the storage can't be used: %w", err)
}
