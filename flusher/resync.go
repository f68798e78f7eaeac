package flusher

import (
	"context"
	"maps"
	"slices"

	"chat-system/db"
	"chat-system/internal/chat"
	"chat-system/internal/queue"
	"chat-system/internal/search"
)

// resync fills the index from the tables for the given partitions. It takes the database's cursors first and scans
// then: what is written meanwhile lies above them in the stream, and a version that is put twice changes nothing.
func (s *sink) resync(ctx context.Context, filling []db.FlushCursor) error {
	taken := map[int]db.FlushCursor{}
	from := map[int]int64{}
	for _, c := range filling {
		ctx, cancel := context.WithTimeout(ctx, redisTime)
		committed, err := s.f.db.Cursor(ctx, db.CursorParams{PartitionID: c.PartitionID, Sink: db.SinkDatabase})
		cancel()
		if err != nil {
			return err
		}
		taken[int(c.PartitionID)], from[int(c.PartitionID)] = committed, c.Position
		s.keeps.set(s.name, int(c.PartitionID), chat.Version(committed.Position))
		s.at("resync.cursor")
	}
	if err := s.scan(ctx, from); err != nil {
		return err
	}
	for _, c := range filling {
		s.at("resync.turn")
		to := taken[int(c.PartitionID)]
		_, err := s.f.db.AdvanceSink(ctx, db.AdvanceSinkParams{
			Position: to.Position, PositionGen: to.PositionGen, State: db.StateFollow,
			PartitionID: c.PartitionID, Sink: s.name, OldPosition: c.Position, OldPositionGen: c.PositionGen, OldState: db.StateResync,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// scan puts every row whose version lies above what its partition's sink has.
func (s *sink) scan(ctx context.Context, from map[int]int64) error {
	var last db.Message
	partitions := slices.Collect(maps.Keys(from))
	for {
		if err := s.yield(ctx, partitions); err != nil {
			return err
		}
		rows, err := s.page(ctx, last)
		if err != nil {
			return err
		}
		s.at("resync.page")
		var messages []chat.Message
		var of []int32
		for _, r := range rows {
			p := queue.Partition(chat.Scope{Application: r.ApplicationID, Chat: r.ChatNumber}, s.f.Partitions)
			if above, ok := from[p]; ok && r.Version > above {
				messages = append(messages, rowMessage(r))
				of = append(of, int32(p)) //nolint:gosec // ≤ 1024
			}
		}
		for len(messages) > 0 {
			n, size := 0, 0
			for ; n < min(len(messages), s.most) && size < maxBytes; n++ {
				size += len(messages[n].Body)
			}
			if err := s.fill(ctx, messages[:n], of[:n]); err != nil {
				return err // and not tried again here: the index may be another one by then, an empty one
			}
			messages, of = messages[n:], of[n:]
		}
		if len(rows) < sinkPage {
			return nil
		}
		last = rows[len(rows)-1]
	}
}

func (s *sink) page(ctx context.Context, last db.Message) ([]db.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	return s.f.db.ScanMessages(ctx, last, sinkPage)
}

func (s *sink) fill(ctx context.Context, messages []chat.Message, partitions []int32) error {
	ctx, cancel := context.WithTimeout(ctx, s.f.StepTime)
	defer cancel()
	refusals, err := s.write(ctx, messages)
	s.at("resync.put")
	if err != nil || len(refusals) == 0 {
		return err
	}
	return s.f.db.WithTx(ctx, func(q *db.Queries) error { return s.refuse(ctx, q, messages, partitions, refusals) })
}

// refuse keeps what the index will never take as dead letters of this sink; one that is there already stays.
func (s *sink) refuse(ctx context.Context, q *db.Queries, messages []chat.Message, partitions []int32, refusals []search.Refusal) error {
	for _, r := range refusals {
		m := messages[r.Index]
		row, err := newDeadLetter(int(partitions[r.Index]), s.name, queue.MessageCreated, m, r.Reason)
		if err != nil {
			return err
		}
		if err := q.InsertDeadLetters(ctx, []db.InsertDeadLettersRow{row}); err != nil && !db.IsDuplicate(err) {
			return err
		}
		s.f.metrics.lettered.WithLabelValues(sinkSearch, whyRefused).Inc()
		s.log.Warn("the search index refuses a message", "application", m.ApplicationID, "chat", m.ChatNumber, "number", m.Number, "reason", brief(r.Reason))
	}
	return nil
}

func rowMessage(r db.Message) chat.Message {
	return chat.Message{
		ApplicationID: r.ApplicationID, ChatNumber: r.ChatNumber, Number: r.Number, Body: r.Body, Version: chat.Version(r.Version),
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}
