-- +goose Up
-- IF NOT EXISTS, since a migration that is killed leaves what it has made: MySQL rolls no table back.

-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS applications (
    id           BIGINT       NOT NULL,
    token        VARCHAR(64)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    name         VARCHAR(255) NOT NULL,
    chats_count  BIGINT       NOT NULL,
    created_at   DATETIME(6)  NOT NULL,
    updated_at   DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY applications_token (token),
    KEY applications_page (created_at, id)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS chats (
    application_id BIGINT      NOT NULL,
    number         BIGINT      NOT NULL,
    messages_count BIGINT      NOT NULL,
    version        BIGINT      NOT NULL,
    created_at     DATETIME(6) NOT NULL,
    updated_at     DATETIME(6) NOT NULL,
    PRIMARY KEY (application_id, number)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
-- +goose StatementEnd

-- A chat's messages lie together, in order.
-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS messages (
    application_id BIGINT      NOT NULL,
    chat_number    BIGINT      NOT NULL,
    number         BIGINT      NOT NULL,
    body           TEXT        NOT NULL,
    version        BIGINT      NOT NULL,
    created_at     DATETIME(6) NOT NULL,
    updated_at     DATETIME(6) NOT NULL,
    PRIMARY KEY (application_id, chat_number, number)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
-- +goose StatementEnd

-- How far each sink has followed the stream of each partition; in the row of the sink «mysql» also the generation and
-- the Redis in which the partition may go on.
-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS flush_cursors (
    partition_id INT         NOT NULL,
    sink         VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    position     BIGINT      NOT NULL,
    position_gen BIGINT      NOT NULL,
    gen          BIGINT      NOT NULL,
    replid       VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    state        VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (partition_id, sink)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS dead_letters (
    partition_id   INT         NOT NULL,
    version        BIGINT      NOT NULL,
    sink           VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    kind           VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    application_id BIGINT      NOT NULL,
    chat_number    BIGINT      NOT NULL,
    number         BIGINT      NOT NULL,
    payload        MEDIUMBLOB  NOT NULL,
    reason         TEXT        NOT NULL,
    state          VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at     DATETIME(6) NOT NULL,
    PRIMARY KEY (partition_id, version, sink),
    KEY dead_letters_number (application_id, chat_number, number),
    KEY dead_letters_state (state, kind, sink)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
-- +goose StatementEnd

-- Keys of applications themselves have application_id 0 and the new application's id as their answer.
-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS idempotency_keys (
    application_id BIGINT      NOT NULL,
    key_hash       BINARY(16)  NOT NULL,
    payload_hash   BINARY(16)  NOT NULL,
    answer         BIGINT      NOT NULL,
    created_at     DATETIME(6) NOT NULL,
    PRIMARY KEY (application_id, key_hash),
    KEY idempotency_keys_age (created_at)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
-- +goose StatementEnd

-- What was fixed when the database was created: the number of partitions.
-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS settings (
    name  VARCHAR(64)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    value VARCHAR(255) NOT NULL,
    PRIMARY KEY (name)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
-- +goose StatementEnd
