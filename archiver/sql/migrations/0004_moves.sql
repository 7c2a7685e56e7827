-- What live moves need beside the map of 0002: who may change it, how far each move is, what was planned.

-- One row. Whoever changes the map raises its version first, in the same transaction: changes come one after the other.
CREATE TABLE map_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint NOT NULL,
    is_paused boolean NOT NULL DEFAULT false,
    moves_at_once integer NOT NULL DEFAULT 2 CHECK (moves_at_once BETWEEN 1 AND 64),
    users_per_s_max integer CHECK (users_per_s_max > 0)
);
INSERT INTO map_state (version) SELECT coalesce(max(version), 0) FROM map_history;

ALTER TABLE shards ADD COLUMN is_leaving boolean NOT NULL DEFAULT false;
ALTER TABLE shards DROP CONSTRAINT shards_weight_check;
ALTER TABLE shards ADD CONSTRAINT shards_weight_check CHECK (weight >= 1);

-- since: the epoch at which the owner became it. An older state in its Redis is a leftover.
ALTER TABLE partition_map ADD COLUMN since bigint NOT NULL DEFAULT 1;

-- The newest move of each partition, for whoever watches; only the map decides. Written by the receiving worker.
CREATE TABLE moves (
    partition integer NOT NULL,
    move_epoch bigint NOT NULL,
    plan bigint,
    source text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    phase text NOT NULL,
    reason text NOT NULL DEFAULT '',
    rows_copied bigint NOT NULL DEFAULT 0,
    rows_total bigint NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    paused_ms bigint,
    begun_ms bigint NOT NULL,
    changed_ms bigint NOT NULL,
    PRIMARY KEY (partition, move_epoch)
);

-- Each plan that was applied, whole, so that it can be watched, explained and undone.
CREATE TABLE plans (
    plan bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    checksum text NOT NULL,
    applied_ms bigint NOT NULL,
    applied_by text NOT NULL,
    map_version bigint NOT NULL,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'aborted', 'undone')),
    content jsonb NOT NULL
);
