package db_test

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"chat-system/db"
)

func (e *engine) application(t *testing.T, id int64) db.Application {
	t.Helper()
	a, err := e.ApplicationByID(t.Context(), id)
	must(t, err)
	return a
}

func TestAnApplicationIsFoundByItsTokenAndItsID(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		addApplication(t, e.Queries, 7, at(0))
		want := db.Application{ID: 7, Token: "token7", Name: "name7", CreatedAt: at(0), UpdatedAt: at(0)}
		a, err := e.ApplicationByToken(t.Context(), "token7")
		must(t, err)
		same(t, "by token", inUTC(a), want)
		same(t, "by id", inUTC(e.application(t, 7)), want)
		for _, other := range []string{"token", "TOKEN7", "token77", ""} {
			if _, err := e.ApplicationByToken(t.Context(), other); !errors.Is(err, sql.ErrNoRows) {
				t.Errorf("%q: %v", other, err)
			}
		}
		if _, err := e.ApplicationByID(t.Context(), 8); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("another id: %v", err)
		}
	})
}

func inUTC(a db.Application) db.Application {
	a.CreatedAt, a.UpdatedAt = a.CreatedAt.UTC(), a.UpdatedAt.UTC()
	return a
}

func TestAnApplicationIsRenamed(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		addApplication(t, e.Queries, 1, at(0))
		addApplication(t, e.Queries, 2, at(0))
		for _, token := range []string{"token1", "unknown"} {
			must(t, e.RenameApplication(t.Context(), db.RenameApplicationParams{Name: "new", UpdatedAt: at(9), Token: token}))
		}
		same(t, "renamed", inUTC(e.application(t, 1)), db.Application{ID: 1, Token: "token1", Name: "new", CreatedAt: at(0), UpdatedAt: at(9)})
		same(t, "the other", inUTC(e.application(t, 2)).Name, "name2")
	})
}

func TestChatsOfAnApplicationAreCounted(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		addApplication(t, e.Queries, 1, at(0))
		addApplication(t, e.Queries, 2, at(0))
		must(t, e.AddChatsCount(ctx, db.AddChatsCountParams{Delta: 5, ID: 1}))
		must(t, e.AddChatsCount(ctx, db.AddChatsCountParams{Delta: 2, ID: 1}))
		same(t, "raised", e.application(t, 1).ChatsCount, 7)
		same(t, "the other", e.application(t, 2).ChatsCount, 0)

		must(t, addChat(ctx, e.Queries, 1, 1))
		must(t, addChat(ctx, e.Queries, 2, 1))
		for number, state := range map[int64]string{2: "open", 3: "discarded", 4: "stored"} {
			l := letter("chat", number, 1, 0, number)
			l.State = state
			must(t, e.InsertDeadLetter(ctx, l))
		}
		must(t, e.InsertDeadLetter(ctx, letter("message", 5, 1, 1, 1)))
		must(t, e.InsertDeadLetter(ctx, letter("chat", 6, 2, 0, 2)))
		n, err := e.RecountChats(ctx, db.RecountChatsParams{ID: 1})
		must(t, err)
		same(t, "one row, and two dead letters that are not stored", n, 3)
		n, err = e.RecountChats(ctx, db.RecountChatsParams{ID: 3})
		must(t, err)
		same(t, "of an unknown application", n, 0)

		counted(t, 1)(e.SetChatsCount(ctx, db.SetChatsCountParams{ChatsCount: 3, ID: 1}))
		counted(t, 0)(e.SetChatsCount(ctx, db.SetChatsCountParams{ChatsCount: 3, ID: 1}))
		counted(t, 0)(e.SetChatsCount(ctx, db.SetChatsCountParams{ChatsCount: 3, ID: 9}))
		same(t, "set", e.application(t, 1).ChatsCount, 3)
	})
}

func TestALockedApplicationIsCountedWhileItsFlushWaits(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		addApplication(t, e.Queries, 1, at(0))
		e.whileLocked(t,
			func(q *db.Queries) error { return q.LockApplication(t.Context(), 1) },
			func(q *db.Queries) error {
				return q.AddChatsCount(t.Context(), db.AddChatsCountParams{Delta: 5, ID: 1})
			},
			func(q *db.Queries) error {
				_, err := q.SetChatsCount(t.Context(), db.SetChatsCountParams{ChatsCount: 10, ID: 1})
				return err
			})
		same(t, "the recount's, then the flush's", e.application(t, 1).ChatsCount, 15)
	})
}

// Several applications of one microsecond lie on both sides of every border.
func TestApplicationsArePagedByTheirAge(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		var want []int64
		for _, a := range []struct {
			id  int64
			age int
		}{{50, 1}, {60, 1}, {9, 2}, {10, 2}, {70, 2}, {1, 3}, {80, 500_000}, {2, 1_000_000}} {
			want = append(want, a.id)
			addApplication(t, e.Queries, a.id, at(a.age))
		}
		for limit := 1; limit <= len(want)+1; limit++ {
			got := walk(limit, func(last *db.Application) []db.Application {
				p := db.ApplicationsPageParams{CreatedAt: time.Unix(0, 0), Limit: int32(limit)}
				if last != nil {
					p.CreatedAt, p.ID = last.CreatedAt, last.ID
				}
				page, err := e.ApplicationsPage(t.Context(), p)
				must(t, err)
				return page
			})
			sameList(t, fmt.Sprint("pages of ", limit), ids(got), want...)
		}
	})
}

func ids(apps []db.Application) []int64 {
	var out []int64
	for _, a := range apps {
		out = append(out, a.ID)
	}
	return out
}

// walk reads page after page, each after the last item of the one before, until one is not full.
func walk[T any](limit int, page func(last *T) []T) []T {
	var all []T
	var last *T
	for {
		items := page(last)
		all = append(all, items...)
		if len(items) < limit {
			return all
		}
		last = &items[len(items)-1]
	}
}

func TestApplicationsAreScannedByTheirID(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		want := []int64{1, 2, 9, 10, 1 << 40}
		for i, id := range want {
			addApplication(t, e.Queries, id, at(-i))
		}
		for limit := 1; limit <= len(want)+1; limit++ {
			got := walk(limit, func(last *db.Application) []db.Application {
				p := db.ApplicationsScanParams{Limit: int32(limit)}
				if last != nil {
					p.ID = last.ID
				}
				page, err := e.ApplicationsScan(t.Context(), p)
				must(t, err)
				return page
			})
			sameList(t, fmt.Sprint("pages of ", limit), ids(got), want...)
		}
	})
}
