package store

import (
	"slices"
	"testing"

	"chat-system/internal/chat"
)

// A window that ends with the highest number there is has an end.
func TestWindowNumbers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		page chat.Page
		want []int64
	}{
		{chat.Page{Limit: 2}, []int64{1, 2, 3}},
		{chat.Page{Before: 1, Limit: 2}, []int64{1}},
		{chat.Page{Before: 3, Limit: 2}, []int64{1, 2, 3}},
		{chat.Page{After: chat.MaxNumber - 3, Limit: 2}, []int64{chat.MaxNumber - 2, chat.MaxNumber - 1, chat.MaxNumber}},
		{chat.Page{After: chat.MaxNumber - 1, Limit: 2}, []int64{chat.MaxNumber}},
		{chat.Page{After: chat.MaxNumber, Limit: 2}, []int64{chat.MaxNumber}},
	} {
		if got := newWindow(c.page).numbers(); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %d, want %d", c.page, got, c.want)
		}
	}
}
