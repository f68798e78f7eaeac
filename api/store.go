package api

import (
	"context"

	"chat-system/internal/chat"
)

// Store holds the use cases. Its errors are *chat.Error; any other is a fault, of which the client learns nothing.
type Store interface {
	CreateApplication(ctx context.Context, name string, key chat.Idempotency) (app chat.Application, replayed bool, err error)
	// Applications pages by an opaque cursor, "" for the first page; next is "" at the end.
	Applications(ctx context.Context, cursor string, limit int) (apps []chat.Application, next string, err error)
	Application(ctx context.Context, token string) (chat.Application, error)
	RenameApplication(ctx context.Context, token, name string) (chat.Application, error)

	CreateChat(ctx context.Context, token string, key chat.Idempotency) (number int64, replayed bool, err error)
	Chat(ctx context.Context, token string, number int64) (chat.Chat, error)
	Chats(ctx context.Context, token string, page chat.Page) (chat.List[chat.Chat], error)

	CreateMessage(ctx context.Context, token string, chatNumber int64, body string, key chat.Idempotency) (number int64, replayed bool, err error)
	Message(ctx context.Context, token string, chatNumber, number int64) (chat.Message, error)
	EditMessage(ctx context.Context, token string, chatNumber, number int64, body string) (chat.Message, error)
	Messages(ctx context.Context, token string, chatNumber int64, page chat.Page) (chat.List[chat.Message], error)
	Search(ctx context.Context, token string, chatNumber int64, text, cursor string, limit int) (hits []chat.Hit, next string, err error)
}
