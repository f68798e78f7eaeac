package store

import "chat-system/internal/chat"

// window is the stretch of numbers that a page covers.
type window struct{ from, to int64 }

func newWindow(p chat.Page) window {
	from, to := p.Window()
	return window{from, to}
}

// numbers of the window, and one above it, which tells whether there is more.
func (w window) numbers() []int64 {
	var ns []int64
	for i := range w.to - w.from + 1 { // counted by itself: to may be the highest number there is
		ns = append(ns, w.from+i)
	}
	if w.to < chat.MaxNumber {
		ns = append(ns, w.to+1)
	}
	return ns
}

// list takes what was found in the window, in order; highest is the highest number known of the scope.
func list[T any](w window, found map[int64]T, highest int64) chat.List[T] {
	l := chat.List[T]{Items: []T{}, From: w.from, To: w.to, Next: highest > w.to}
	for n := w.from; n <= min(w.to, highest); n++ {
		if item, ok := found[n]; ok {
			l.Items = append(l.Items, item)
		}
	}
	l.Prev = w.from > 1 && len(l.Items) > 0
	return l
}
