package chat

import "fmt"

// Code classifies an Error. Every code has one HTTP answer.
type Code int

// The codes. Unknown errors (no *Error in their chain) are faults of the service.
const (
	NotFound       Code = iota + 1 // what was asked for does not exist
	Gone                           // it was accepted once and discarded by an operator
	Invalid                        // the input breaks a rule: Fields names each
	KeyReused                      // an Idempotency-Key came back with another payload
	KeyInUse                       // the same Idempotency-Key is being worked on
	Unavailable                    // the write can't be accepted now and nothing was done
	OutcomeUnknown                 // the write may or may not have been accepted
	NotEnabled                     // the feature is switched off
)

// Field is one broken rule. Exactly one of Pointer (a JSON Pointer into the body) and Parameter is set.
type Field struct {
	Pointer   string
	Parameter string
	Detail    string
}

// Error is an error whose Message is safe to show to a client. What caused it is for the log alone.
type Error struct {
	Code    Code
	Message string
	Fields  []Field
	Err     error // the cause, never shown
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Message, e.Err)
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error without a cause.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
