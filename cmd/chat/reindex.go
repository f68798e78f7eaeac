package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chat-system/db"
	"chat-system/flusher"
	"chat-system/internal/search"
)

// reindex makes a new index a sink of its own, waits until the flusher has filled it from the tables and it follows the
// stream, then moves the alias. Searches and writes go on meanwhile, and both indexes get every edit.
func reindex(ctx context.Context, e env) error {
	if len(e.ElasticsearchURLs) == 0 {
		return errors.New("ELASTICSEARCH_URL is empty: search is off")
	}
	d, err := db.Open(db.Config{DSN: e.dsn(), Pool: 2, Log: e.log})
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	index, err := search.NewElastic(search.ElasticConfig{URLs: e.ElasticsearchURLs})
	if err != nil {
		return err
	}
	defer func() { _ = index.Close() }()
	if err := d.CheckPartitions(ctx, e.Partitions); err != nil {
		return err
	}
	var old string
	err = waitFor(ctx, e, "the first index, which a flusher makes", func(ctx context.Context) (err error) {
		old, err = index.Current(ctx)
		return err
	})
	if err != nil {
		return err
	}
	name := "messages-" + time.Now().UTC().Format("20060102t150405")
	if err := index.CreateIndex(ctx, name); err != nil {
		return err
	}
	if err := flusher.AddSink(ctx, d, name, e.Partitions); err != nil {
		return err
	}
	e.log.Info("the new index is being filled by the flusher", "index", name, "old", old)
	err = waitFor(ctx, e, "the new index", func(ctx context.Context) error { return caughtUp(ctx, d, name, e.Partitions) })
	if err != nil { // given up: nothing of it stays behind
		drop, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		return errors.Join(err, d.DeleteSink(drop, name), index.DeleteIndex(drop, name))
	}
	if err := index.At(name).Refresh(ctx); err != nil {
		return err
	}
	if err := index.SwapAlias(ctx, name); err != nil {
		return err
	}
	if err := d.DeleteSink(ctx, old); err != nil {
		return err
	}
	if err := index.DeleteIndex(ctx, old); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "search uses %s now; %s is deleted\n", name, old)
	return err
}

// caughtUp says why the sink is not yet where the database was a moment ago.
func caughtUp(ctx context.Context, d *db.DB, name string, partitions int) error {
	committed, err := d.Cursors(ctx, db.SinkDatabase)
	if err != nil {
		return err
	}
	for {
		cursors, err := d.Cursors(ctx, name)
		if err != nil {
			return err
		}
		behind := partitions
		for i, c := range cursors {
			if c.State == db.StateFollow && i < len(committed) && c.Position >= committed[i].Position {
				behind--
			}
		}
		if behind == 0 {
			return nil
		}
		pause := time.NewTimer(100 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d partitions are behind", behind, partitions)
		}
	}
}
