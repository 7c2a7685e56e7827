-- Which shard owns which partition. Written by the command that plans moves and by the workers that carry them out,
-- always by compare-and-set; every epoch is drawn here before any Redis sees it.

CREATE TABLE shards (
    shard text COLLATE "C" PRIMARY KEY,
    url text NOT NULL,
    weight integer NOT NULL DEFAULT 100 CHECK (weight >= 0),
    added_ms bigint NOT NULL
);

-- move_epoch and target are set while the partition is on its way. forget: shards whose leftovers are still to go.
CREATE TABLE partition_map (
    partition integer PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    move_epoch bigint,
    target text COLLATE "C",
    forget text[] NOT NULL DEFAULT '{}',
    CHECK ((move_epoch IS NULL) = (target IS NULL)),
    CHECK (move_epoch > epoch)
) WITH (fillfactor = 50);

-- Each change of the map; the newest version is the map's.
CREATE TABLE map_history (
    version bigint PRIMARY KEY,
    changed_ms bigint NOT NULL,
    changed_by text NOT NULL,
    change jsonb NOT NULL
);
