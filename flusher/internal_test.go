package flusher

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/go-sql-driver/mysql"

	"chat-system/internal/chat"
	"chat-system/internal/queue"
)

func TestBisectFindsEveryRefusedRowAndLandsTheRest(t *testing.T) {
	t.Parallel()
	for n := range 40 {
		for _, bad := range [][]int{nil, {0}, {n - 1}, {n / 2}, {0, n - 1}, {n / 3, n/3 + 1}} {
			rows := make([]int, n)
			for i := range rows {
				rows[i] = i
			}
			var landed, refused []int
			insert := func(rows []int) error {
				for _, r := range rows {
					if slices.Contains(bad, r) {
						return fmt.Errorf("wrapped: %w", &mysql.MySQLError{Number: 3819})
					}
				}
				landed = append(landed, rows...)
				return nil
			}
			if err := bisect(rows, insert, func(i int, _ error) { refused = append(refused, i) }, 0); err != nil {
				t.Fatal(err)
			}
			if len(landed)+len(refused) != n || !slices.IsSorted(landed) {
				t.Fatalf("%d rows, bad %v: landed %v, refused %v", n, bad, landed, refused)
			}
			for _, r := range refused {
				if !slices.Contains(bad, r) {
					t.Fatalf("%d rows, bad %v: %d was refused", n, bad, r)
				}
			}
		}
	}
}

func TestBisectStopsAtAnErrorThatIsNoRowsFault(t *testing.T) {
	t.Parallel()
	away := errors.New("connection lost")
	err := bisect([]int{1, 2, 3}, func([]int) error { return away }, func(int, error) { t.Error("refused") }, 0)
	if !errors.Is(err, away) {
		t.Fatal(err)
	}
}

func TestDeltasGroupScopesByHowManyEntriesTheyHave(t *testing.T) {
	t.Parallel()
	var es []*queue.Entry
	for _, c := range []int64{1, 2, 2, 3, 5, 5} {
		es = append(es, &queue.Entry{Scope: chat.Scope{Application: 7, Chat: c}})
	}
	got := fmt.Sprint(deltas(es))
	if want := "[{1 [{7 1} {7 3}]} {2 [{7 2} {7 5}]}]"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
}
