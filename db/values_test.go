package db_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"chat-system/db"
)

func TestTextIsStoredAsItIs(t *testing.T) {
	t.Parallel()
	texts := []string{
		"", " ", "a ", "\n", "\x00", "a\x00b\x00", "\x01\x1a\x7f", `'"\%_`, "\\'); DROP TABLE messages; -- ", "\\0\\n\\", "?, ?", "é", "e\u0301", "ﬁ", "ß",
		"😀", "👩‍👩‍👧", "\U0010FFFF", "\uFFFD", "\uFEFFmark", "\u202Eabc", "日本語", "/* */", "0x41", "NULL",
		strings.Repeat("x", 65_535), strings.Repeat("'", 65_535), strings.Repeat("\x00", 65_535), strings.Repeat("😀", 16_383) + "xyz",
	}
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		var rows []db.InsertMessagesRow
		for i, text := range texts {
			r := messageRow(int64(i + 1))
			r.Body = text
			rows = append(rows, r)
		}
		must(t, e.InsertMessages(ctx, rows))
		for i, want := range texts {
			short := fmt.Sprintf("%.20q", want)
			same(t, short, e.message(t, 1, 1, int64(i+1)).Body, want)
			counted(t, 1)(e.UpdateMessage(ctx, db.UpdateMessageParams{Body: want + "", Version: math.MaxInt64, UpdatedAt: at(0), ApplicationID: 1, ChatNumber: 1, Number: int64(i + 1)}))
			same(t, "edited to "+short, e.message(t, 1, 1, int64(i+1)).Body, want)
		}
	})
}

func TestNamesOf255CharactersAreStoredAsTheyAre(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		for i, name := range []string{strings.Repeat("😀", 255), strings.Repeat("\x00", 255), strings.Repeat("x", 254) + " ", ""} {
			must(t, e.InsertApplication(t.Context(), db.InsertApplicationParams{ID: int64(i), Token: fmt.Sprint(i), Name: name, CreatedAt: at(0), UpdatedAt: at(0)}))
			same(t, "name", e.application(t, int64(i)).Name, name)
		}
	})
}

func TestBytesAreStoredAsTheyAre(t *testing.T) {
	t.Parallel()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		for i, payload := range [][]byte{{}, {0}, every, bytes.Repeat(every, 4096)} {
			l := letter("message", int64(i), 1, 1, 1)
			l.Payload = payload
			must(t, e.InsertDeadLetter(ctx, l))
			got, err := e.DeadLetter(ctx, db.DeadLetterParams{PartitionID: 1, Version: int64(i), Sink: db.SinkDatabase})
			must(t, err)
			same(t, "payload", string(got.Payload), string(payload))
		}
		for i := range 16 {
			k := db.InsertIdempotencyKeyParams{ApplicationID: 1, KeyHash: every[16*i : 16*i+16], PayloadHash: every[255-16*i-15 : 255-16*i+1], CreatedAt: at(0)}
			must(t, e.InsertIdempotencyKey(ctx, k))
			got, err := e.IdempotencyKey(ctx, db.IdempotencyKeyParams{ApplicationID: 1, KeyHash: k.KeyHash})
			must(t, err)
			same(t, "hashes", fmt.Sprintf("%x %x", got.KeyHash, got.PayloadHash), fmt.Sprintf("%x %x", k.KeyHash, k.PayloadHash))
		}
	})
}

func TestWholeNumbersReachTheirEnds(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		for _, n := range []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, 1<<53 + 1, math.MaxInt64 - 1, math.MaxInt64} {
			want := db.Message{ApplicationID: n, ChatNumber: n, Number: n, Version: n, CreatedAt: at(0), UpdatedAt: at(0)}
			must(t, e.InsertMessage(ctx, db.InsertMessageParams(want)))
			same(t, fmt.Sprint(n), e.message(t, n, n, n), want)
		}
		for _, p := range []int32{math.MinInt32, -1, math.MaxInt32} {
			must(t, e.InsertCursor(ctx, db.InsertCursorParams{PartitionID: p, Sink: index, State: db.StateFollow}))
			same(t, "partition", e.cursor(t, p, index).PartitionID, p)
		}
	})
}

func TestTimesAreStoredToTheMicrosecondInUTC(t *testing.T) {
	t.Parallel()
	times := []time.Time{
		time.UnixMicro(0), time.UnixMicro(1), time.UnixMicro(-1), time.UnixMilli(1<<42 - 1), // the last that an entry's id can hold
		begun, at(1), at(9), at(10), at(11), at(100), at(1_000_000), time.Date(2028, 2, 29, 12, 30, 45, 123_456_000, time.UTC),
		time.Date(2026, 3, 29, 2, 30, 0, 500_000_000, time.UTC), // an hour that Berlin skips
		time.Date(2026, 7, 1, 0, 0, 0, 1_000, time.FixedZone("", -7*3600)), time.Date(2026, 7, 1, 0, 0, 0, 0, time.FixedZone("", 5*3600+1800)),
		time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	}
	onEach(t, func(t *testing.T, e *engine) {
		for i, want := range times {
			must(t, e.InsertApplication(t.Context(), db.InsertApplicationParams{ID: int64(i + 1), Token: fmt.Sprint(i), CreatedAt: want, UpdatedAt: want}))
			a := e.application(t, int64(i+1))
			for _, got := range []time.Time{a.CreatedAt, a.UpdatedAt} {
				same(t, "as it is shown", got.Format(time.RFC3339Nano), want.UTC().Format(time.RFC3339Nano))
			}
		}
		for i, after := range times { // times of every zone compare as times
			page, err := e.ApplicationsPage(t.Context(), db.ApplicationsPageParams{CreatedAt: after, ID: int64(i + 1), Limit: 1000})
			must(t, err)
			later := 0
			for _, other := range times {
				if other.After(after) {
					later++
				}
			}
			same(t, fmt.Sprint("later than ", after), len(page), later)
		}
	})
}
