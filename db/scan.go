package db

import "context"

// ScanMessages gives up to limit messages that follow on one (the zero Message: the first), by application, chat and number.
func (q *Queries) ScanMessages(ctx context.Context, after Message, limit int32) ([]Message, error) {
	rows, err := q.MessagesAfter(ctx, MessagesAfterParams{
		ApplicationID: after.ApplicationID, ChatNumber: after.ChatNumber, Number: after.Number, Limit: limit,
	})
	if err != nil || len(rows) == int(limit) {
		return rows, err
	}
	chats, err := q.MessagesAfterChat(ctx, MessagesAfterChatParams{
		ApplicationID: after.ApplicationID, ChatNumber: after.ChatNumber, Limit: limit - int32(len(rows)), //nolint:gosec // ≤ limit
	})
	rows = append(rows, chats...)
	if err != nil || len(rows) == int(limit) {
		return rows, err
	}
	applications, err := q.MessagesAfterApplication(ctx, MessagesAfterApplicationParams{
		ApplicationID: after.ApplicationID, Limit: limit - int32(len(rows)), //nolint:gosec // ≤ limit
	})
	return append(rows, applications...), err
}

// ScanChats gives up to limit chats that follow on one (the zero Chat: the first), by application and number.
func (q *Queries) ScanChats(ctx context.Context, after Chat, limit int32) ([]Chat, error) {
	rows, err := q.ChatsAfter(ctx, ChatsAfterParams{ApplicationID: after.ApplicationID, Number: after.Number, Limit: limit})
	if err != nil || len(rows) == int(limit) {
		return rows, err
	}
	applications, err := q.ChatsAfterApplication(ctx, ChatsAfterApplicationParams{
		ApplicationID: after.ApplicationID, Limit: limit - int32(len(rows)), //nolint:gosec // ≤ limit
	})
	return append(rows, applications...), err
}

// Message is the row without what was added to it.
func (r *MessageByKeyRow) Message() Message {
	return Message{
		ApplicationID: r.ApplicationID, ChatNumber: r.ChatNumber, Number: r.Number, Body: r.Body, Version: r.Version,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}
