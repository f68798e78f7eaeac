package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/chat"
	"chat-system/internal/search"
)

const letterPage = 500

const lettersHelp = `
  list [open|stored|discarded]  those of a state, the open ones unless told otherwise
  show ID...|all                everything that is known of them, their payload too
  retry ID...|all               stores them, or says why they are refused again
  discard ID...|all             gives them up: their numbers stay taken, and answer 410

An ID is partition/version/sink, as list shows it; all are all that are open.`

// deadLetters lists, shows, retries and discards what could not be stored.
func deadLetters(ctx context.Context, e env) error {
	if len(e.args) == 0 {
		return errUsage
	}
	d, err := db.Open(db.Config{DSN: e.dsn(), Pool: 2, Log: e.log})
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	letters := flusher.DeadLetters{DB: d}
	if len(e.ElasticsearchURLs) > 0 {
		index, err := search.NewElastic(search.ElasticConfig{URLs: e.ElasticsearchURLs})
		if err != nil {
			return err
		}
		defer func() { _ = index.Close() }()
		letters.Indexes = elasticIndexes{index}
	}
	switch verb, args := e.args[0], e.args[1:]; verb {
	case "list":
		return listLetters(ctx, e, letters, args)
	case "show":
		return showLetters(ctx, e, letters, args)
	case "retry", "discard":
		ids, err := letterIDs(ctx, letters, args)
		if err != nil {
			return err
		}
		if verb == "discard" {
			if err := letters.Discard(ctx, ids); err != nil {
				return err
			}
			_, err = fmt.Fprintf(e.out, "%d discarded\n", len(ids))
			return err
		}
		return retryLetters(ctx, e, letters, ids)
	}
	return errUsage
}

func listLetters(ctx context.Context, e env, letters flusher.DeadLetters, args []string) error {
	state := flusher.StateOpen
	if len(args) > 0 {
		state = args[0]
	}
	if len(args) > 1 || !slices.Contains([]string{flusher.StateOpen, flusher.StateStored, flusher.StateDiscarded}, state) {
		return errUsage
	}
	w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "ID\tKIND\tAPPLICATION\tCHAT\tNUMBER\tACCEPTED\tREASON")
	for l, err := range eachLetter(ctx, letters, state) {
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(w, "%d/%s/%s\t%s\t%d\t%d\t%d\t%s\t%s\n", l.PartitionID, chat.Version(l.Version).ID(), l.Sink, l.Kind, l.ApplicationID,
			l.ChatNumber, l.Number, l.CreatedAt.UTC().Format("2006-01-02T15:04:05Z"), l.Reason)
	}
	return w.Flush()
}

func showLetters(ctx context.Context, e env, letters flusher.DeadLetters, args []string) error {
	ids, err := letterIDs(ctx, letters, args)
	if err != nil {
		return err
	}
	for _, id := range ids {
		l, err := letters.DB.DeadLetter(ctx, db.DeadLetterParams{PartitionID: id.Partition, Version: int64(id.Version), Sink: id.Sink})
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%s: there is no such dead letter", id)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		_, _ = fmt.Fprintf(e.out, "id %s\nkind %s\napplication %d\nchat %d\nnumber %d\nstate %s\nreason %s\npayload %s\n\n",
			id, l.Kind, l.ApplicationID, l.ChatNumber, l.Number, l.State, l.Reason, l.Payload)
	}
	return nil
}

func retryLetters(ctx context.Context, e env, letters flusher.DeadLetters, ids []flusher.LetterID) error {
	outcomes, err := letters.Retry(ctx, ids)
	open := 0
	for _, o := range outcomes {
		if o.Stored {
			_, _ = fmt.Fprintf(e.out, "%s stored\n", o.ID)
		} else {
			open++
			_, _ = fmt.Fprintf(e.out, "%s is refused again: %s\n", o.ID, o.Reason)
		}
	}
	if err == nil && open > 0 {
		return fmt.Errorf("%d of %d are refused again", open, len(outcomes))
	}
	return err
}

// eachLetter goes through all letters of a state.
func eachLetter(ctx context.Context, letters flusher.DeadLetters, state string) func(func(db.DeadLetter, error) bool) {
	return func(yield func(db.DeadLetter, error) bool) {
		var after flusher.LetterID
		for {
			page, err := letters.List(ctx, state, after, letterPage)
			if err != nil {
				yield(db.DeadLetter{}, err)
				return
			}
			for _, l := range page {
				if !yield(l, nil) {
					return
				}
				after = flusher.LetterID{Partition: l.PartitionID, Version: chat.Version(l.Version), Sink: l.Sink}
			}
			if len(page) < letterPage {
				return
			}
		}
	}
}

func letterIDs(ctx context.Context, letters flusher.DeadLetters, args []string) ([]flusher.LetterID, error) {
	if len(args) == 0 {
		return nil, errUsage
	}
	var ids []flusher.LetterID
	if len(args) == 1 && args[0] == "all" {
		for l, err := range eachLetter(ctx, letters, flusher.StateOpen) {
			if err != nil {
				return nil, err
			}
			ids = append(ids, flusher.LetterID{Partition: l.PartitionID, Version: chat.Version(l.Version), Sink: l.Sink})
		}
		return ids, nil
	}
	for _, a := range args {
		parts := strings.SplitN(a, "/", 3)
		if len(parts) != 3 {
			return nil, fmt.Errorf("%q is no ID: it is partition/version/sink, as list shows it", a)
		}
		p, err := strconv.ParseInt(parts[0], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is no ID: its partition is no number", a)
		}
		v, err := chat.ParseVersion(parts[1])
		if err != nil {
			return nil, fmt.Errorf("%q is no ID: its version is none", a)
		}
		ids = append(ids, flusher.LetterID{Partition: int32(p), Version: v, Sink: parts[2]})
	}
	return ids, nil
}
