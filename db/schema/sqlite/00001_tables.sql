-- +goose Up

CREATE TABLE applications (
    id           BIGINT       NOT NULL,
    token        TEXT  NOT NULL,
    name         TEXT NOT NULL,
    chats_count  BIGINT       NOT NULL,
    created_at   DATETIME  NOT NULL,
    updated_at   DATETIME  NOT NULL,
    PRIMARY KEY (id)
) WITHOUT ROWID;

CREATE TABLE chats (
    application_id BIGINT      NOT NULL,
    number         BIGINT      NOT NULL,
    messages_count BIGINT      NOT NULL,
    version        BIGINT      NOT NULL,
    created_at     DATETIME NOT NULL,
    updated_at     DATETIME NOT NULL,
    PRIMARY KEY (application_id, number)
) WITHOUT ROWID;

-- A chat's messages lie together, in order.
CREATE TABLE messages (
    application_id BIGINT      NOT NULL,
    chat_number    BIGINT      NOT NULL,
    number         BIGINT      NOT NULL,
    body           TEXT        NOT NULL,
    version        BIGINT      NOT NULL,
    created_at     DATETIME NOT NULL,
    updated_at     DATETIME NOT NULL,
    PRIMARY KEY (application_id, chat_number, number)
) WITHOUT ROWID;

-- How far each sink has followed the stream of each partition; in the row of the sink «mysql» also the generation and
-- the Redis in which the partition may go on.
CREATE TABLE flush_cursors (
    partition_id INT         NOT NULL,
    sink         TEXT NOT NULL,
    position     BIGINT      NOT NULL,
    position_gen BIGINT      NOT NULL,
    gen          BIGINT      NOT NULL,
    replid       TEXT NOT NULL,
    state        TEXT NOT NULL,
    PRIMARY KEY (partition_id, sink)
) WITHOUT ROWID;

CREATE TABLE dead_letters (
    partition_id   INT         NOT NULL,
    version        BIGINT      NOT NULL,
    sink           TEXT NOT NULL,
    kind           TEXT NOT NULL,
    application_id BIGINT      NOT NULL,
    chat_number    BIGINT      NOT NULL,
    number         BIGINT      NOT NULL,
    payload        BLOB  NOT NULL,
    reason         TEXT        NOT NULL,
    state          TEXT NOT NULL,
    created_at     DATETIME NOT NULL,
    PRIMARY KEY (partition_id, version, sink)
) WITHOUT ROWID;

-- Keys of applications themselves have application_id 0 and the new application's id as their answer.
CREATE TABLE idempotency_keys (
    application_id BIGINT      NOT NULL,
    key_hash       BLOB  NOT NULL,
    payload_hash   BLOB  NOT NULL,
    answer         BIGINT      NOT NULL,
    created_at     DATETIME NOT NULL,
    PRIMARY KEY (application_id, key_hash)
) WITHOUT ROWID;

-- What was fixed when the database was created: the number of partitions.
CREATE TABLE settings (
    name  TEXT  NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name)
) WITHOUT ROWID;

CREATE UNIQUE INDEX applications_token ON applications (token);
CREATE INDEX applications_page ON applications (created_at, id);
CREATE INDEX dead_letters_number ON dead_letters (application_id, chat_number, number);
CREATE INDEX dead_letters_state ON dead_letters (state, kind, sink);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
