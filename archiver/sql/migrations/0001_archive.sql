-- The archive: what the log said and what came of it. Everything is written by the archiver, in transactions that move
-- a position of `archive_progress` by compare-and-set. Ids compare by their bytes (COLLATE "C"), as in Redis and Python.
--
-- Two positions per partition: `actions` holds the log up to raw_next; every other table stands at scores_next.
-- Offsets are always the next one to read. Times are unix ms.

CREATE TABLE deployment (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    deployment text NOT NULL,
    topic text NOT NULL,
    partitions integer NOT NULL,
    periods text NOT NULL,
    window_ms bigint NOT NULL
);

-- begin_offset: where this partition's archive begins. Above 0 the log was cut before it was ever archived, and no
-- restore from here can be complete. last, points and counted are as in Redis's progress, at scores_next; raw_last is
-- the last record before raw_next (offset:append_ms:crc32), by which another log is recognised.
CREATE TABLE archive_progress (
    partition integer PRIMARY KEY,
    begin_offset bigint NOT NULL,
    raw_next bigint NOT NULL,
    log_ms bigint NOT NULL,
    raw_last text NOT NULL,
    scores_next bigint NOT NULL,
    scores_log_ms bigint NOT NULL,
    last text NOT NULL,
    points bigint NOT NULL,
    counted bigint NOT NULL,
    CHECK (begin_offset <= scores_next AND scores_next <= raw_next)
) WITH (fillfactor = 50);

-- One row per record of the log, dead ones too. outcome: counted, repeat, capped, dead (then `reason` says why).
-- `record` holds the record's own bytes where the columns cannot: of controls, and of texts with NUL, which Postgres
-- does not store. Rows of an erased user are deleted; `tombstones` keeps their ids.
CREATE TABLE actions (
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    log_ms bigint NOT NULL,
    outcome text NOT NULL,
    kind text,
    id16 bytea,
    user_id text COLLATE "C",
    action_id text COLLATE "C",
    action text COLLATE "C",
    points bigint,
    at_ms bigint,
    received_ms bigint,
    name text,
    cap_per_day integer,
    cooldown_ms integer,
    keep_until bigint,
    reason text,
    record bytea,
    PRIMARY KEY (partition, log_offset)
);
-- The partition comes second: an index that began with it would look as good to the planner for any search in a
-- partition, and on tables without statistics it takes the wrong one.
CREATE INDEX actions_by_id ON actions (id16, partition);
CREATE INDEX actions_by_user ON actions (user_id, partition);

-- Ids that counted, of users who were erased since: a repeat must still be recognised.
CREATE TABLE tombstones (
    partition integer NOT NULL,
    id16 bytea NOT NULL,
    log_offset bigint NOT NULL,
    log_ms bigint NOT NULL,
    PRIMARY KEY (partition, id16, log_offset)
);

-- Ids that must be remembered longer than a window.
CREATE TABLE kept (
    partition integer NOT NULL,
    id16 bytea NOT NULL,
    keep_until bigint NOT NULL,
    PRIMARY KEY (partition, id16)
);

-- Limits used. used_by is a digest of user and action, as in Redis: it outlives an erase without telling who it was.
-- `day` is the newest day of log time on which the limit was used, `used` how often on that day.
CREATE TABLE caps (
    partition integer NOT NULL,
    used_by bytea NOT NULL,
    day integer NOT NULL,
    used integer NOT NULL,
    last_received_ms bigint NOT NULL,
    PRIMARY KEY (partition, used_by)
) WITH (fillfactor = 80);

-- Running boards. The key groups a user's boards in one place, and a partition's users: what a flush touches, what an
-- erase removes and what a restore reads. Reading one board reads the table; that is done once per closed board and for
-- snapshots. scored_at 0: the user never scored there (adjusted only).
CREATE TABLE scores (
    partition integer NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    period text COLLATE "C" NOT NULL,
    score bigint NOT NULL,
    scored_at bigint NOT NULL,
    PRIMARY KEY (partition, user_id, period)
) WITH (fillfactor = 80);

-- Which boards have ever had a score: what may have to be closed.
CREATE TABLE boards (
    period text COLLATE "C" PRIMARY KEY
);

-- Hidden users with their parked scores, {period: [score, scored_at]}. JSONB: read and written whole, as in Redis, and
-- rows per board could not say "hidden, without any score".
CREATE TABLE hidden (
    partition integer NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    parked jsonb NOT NULL,
    PRIMARY KEY (partition, user_id)
);

-- Digest of an erased user → offset of the newest erase: an action before it cannot be voided any more.
CREATE TABLE erased (
    partition integer NOT NULL,
    user16 bytea NOT NULL,
    log_offset bigint NOT NULL,
    PRIMARY KEY (partition, user16)
);

-- id16 of voided actions → their offset.
CREATE TABLE voided (
    partition integer NOT NULL,
    id16 bytea NOT NULL,
    void_offset bigint NOT NULL,
    PRIMARY KEY (partition, id16)
);

-- Newest display name and metadata, by log order. NUL in texts is replaced by U+FFFD.
CREATE TABLE users (
    user_id text COLLATE "C" PRIMARY KEY,
    partition integer NOT NULL,
    name text,
    metadata jsonb
);
CREATE INDEX users_by_partition ON users (partition, user_id);

-- Who moderated what and why. points: by how much the scores changed. After an erase user_id is null; user16 remains.
CREATE TABLE moderation_log (
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    log_ms bigint NOT NULL,
    kind text NOT NULL,
    user_id text COLLATE "C",
    user16 bytea NOT NULL,
    moderator text NOT NULL,
    reason text,
    points bigint NOT NULL,
    void_offset bigint,
    PRIMARY KEY (partition, log_offset)
);
CREATE INDEX moderation_log_by_user ON moderation_log (partition, user16);

-- Closed boards. `rank` is the shown one (1, 2, 2, 4), null for hidden users; `place` is the board's total order.
CREATE TABLE leaderboards (
    period text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    score bigint NOT NULL,
    scored_at bigint NOT NULL,
    rank bigint,
    place bigint,
    hidden boolean NOT NULL,
    PRIMARY KEY (period, user_id)
);
CREATE INDEX leaderboards_by_place ON leaderboards (period, place);
CREATE INDEX leaderboards_by_user ON leaderboards (user_id);

-- ends: the end of each partition's log, taken after the board could not change any more; all of it is in the ranks.
CREATE TABLE closed_periods (
    period text COLLATE "C" PRIMARY KEY,
    closed_at_ms bigint NOT NULL,
    users bigint NOT NULL,
    ends bigint[] NOT NULL
);

-- Tops of running boards from time to time.
CREATE TABLE board_snapshots (
    period text COLLATE "C" NOT NULL,
    taken_ms bigint NOT NULL,
    place integer NOT NULL,
    rank integer NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    score bigint NOT NULL,
    scored_at bigint NOT NULL,
    PRIMARY KEY (period, taken_ms, place)
);
CREATE INDEX board_snapshots_by_user ON board_snapshots (user_id);
CREATE INDEX board_snapshots_by_time ON board_snapshots (taken_ms);

-- Tokens that are no longer accepted, until they expire by themselves.
CREATE TABLE revoked (
    token_digest bytea PRIMARY KEY,
    expires_ms bigint NOT NULL,
    revoked_ms bigint NOT NULL,
    revoked_by text NOT NULL
);
