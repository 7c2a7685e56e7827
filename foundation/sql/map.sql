-- The shard map. Each change begins with raise_version, whose row lock makes changes come one after the other, and
-- ends with put_history; seed, plans, moves and workers all go through here.

-- name: version
SELECT version FROM map_state

-- name: state
SELECT version, is_paused, moves_at_once, users_per_s_max FROM map_state

-- name: partitions
SELECT partition, owner, epoch, since, move_epoch, target, forget FROM partition_map ORDER BY partition

-- name: shards
SELECT shard, url, weight, is_leaving FROM shards ORDER BY shard

-- name: raise_version
UPDATE map_state SET version = greatest(version, $1) + 1 RETURNING version

-- name: put_history
INSERT INTO map_history (version, changed_ms, changed_by, change) VALUES ($1, $2, $3, $4::jsonb)

-- name: notify
SELECT pg_notify($1, $2)

-- name: has_map
SELECT EXISTS (SELECT FROM partition_map)

-- name: put_partition
INSERT INTO partition_map (partition, owner, epoch, since) VALUES ($1, $2, $3, $4)

-- name: replace_partition
INSERT INTO partition_map (partition, owner, epoch, since) VALUES ($1, $2, $3, $4)
ON CONFLICT (partition) DO UPDATE SET owner = excluded.owner, epoch = excluded.epoch, since = excluded.since,
    move_epoch = NULL, target = NULL, forget = '{}'

-- name: join_shard
INSERT INTO shards (shard, url, weight, added_ms) VALUES ($1, $2, $3, $4) ON CONFLICT (shard) DO NOTHING

-- name: url_of
SELECT url FROM shards WHERE shard = $1

-- name: readdress
UPDATE shards SET url = $2 WHERE shard = $1 AND url <> $2

-- name: set_weight
UPDATE shards SET weight = $2 WHERE shard = $1

-- name: set_leaving
UPDATE shards SET is_leaving = $2 WHERE shard = $1

-- name: drop_left_shards
DELETE FROM shards s WHERE is_leaving AND NOT EXISTS (
    SELECT FROM partition_map m WHERE m.owner = s.shard OR m.target = s.shard OR s.shard = ANY (m.forget)
) RETURNING shard

-- name: intend
UPDATE partition_map m SET move_epoch = m.epoch + 1, target = wanted.target
FROM unnest($1::integer[], $2::text[], $3::text[]) AS wanted (partition, source, target)
WHERE m.partition = wanted.partition AND m.owner = wanted.source AND m.move_epoch IS NULL
RETURNING m.partition, m.owner, m.target, m.move_epoch

-- name: put_move
INSERT INTO moves (partition, move_epoch, plan, source, target, phase, begun_ms, changed_ms)
VALUES ($1, $2, $3, $4, $5, 'intended', $6, $6)

-- name: put_plan
INSERT INTO plans (checksum, applied_ms, applied_by, map_version, content) VALUES ($1, $2, $3, $4, $5::jsonb)
RETURNING plan

-- name: switch
UPDATE partition_map SET owner = target, epoch = move_epoch, since = move_epoch, move_epoch = NULL, target = NULL,
    forget = array_append(array_remove(forget, target), owner)
WHERE partition = $1 AND move_epoch = $2 AND target = $3
RETURNING forget[cardinality(forget)] AS source

-- name: abort
WITH moving AS (SELECT partition, move_epoch, target FROM partition_map
    WHERE move_epoch IS NOT NULL AND ($1::integer[] IS NULL OR partition = ANY ($1)) FOR UPDATE)
UPDATE partition_map m SET epoch = moving.move_epoch + 1, move_epoch = NULL, target = NULL,
    forget = array_append(array_remove(m.forget, moving.target), moving.target)
FROM moving WHERE m.partition = moving.partition
RETURNING m.partition, moving.move_epoch, m.epoch

-- name: forgotten
UPDATE partition_map SET forget = array_remove(forget, $2)
WHERE partition = $1 AND epoch = $3 AND $2 = ANY (forget)
RETURNING partition

-- name: give_up_leftovers
UPDATE partition_map SET forget = array_remove(forget, $1) WHERE $1 = ANY (forget) RETURNING partition

-- name: moves_begin_to_forget
UPDATE moves SET phase = 'forgetting', changed_ms = $3 WHERE partition = $1 AND move_epoch = $2

-- name: moves_aborted
UPDATE moves SET phase = 'aborted', changed_ms = $3 WHERE partition = $1 AND move_epoch = $2

-- name: moves_done
-- Which moves have switched is what the map says: a late report may have set the phase back.
UPDATE moves SET phase = 'done', changed_ms = $3
WHERE partition = ANY ($1::integer[]) AND source = $2 AND phase NOT IN ('done', 'aborted')
  AND move_epoch <= (SELECT epoch FROM partition_map AS p WHERE p.partition = moves.partition)

-- name: end_plans
UPDATE plans p SET state = CASE WHEN EXISTS (SELECT FROM moves m WHERE m.plan = p.plan AND m.phase = 'done')
    OR NOT EXISTS (SELECT FROM moves m WHERE m.plan = p.plan) THEN 'done' ELSE 'aborted' END
WHERE state = 'running' AND NOT EXISTS (
    SELECT FROM moves m WHERE m.plan = p.plan AND m.phase NOT IN ('done', 'aborted'))

-- name: report
INSERT INTO moves (partition, move_epoch, plan, source, target, phase, reason, rows_copied, rows_total, attempts,
    paused_ms, begun_ms, changed_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (partition, move_epoch) DO UPDATE SET plan = coalesce(moves.plan, excluded.plan), phase = excluded.phase,
    reason = excluded.reason, rows_copied = excluded.rows_copied, rows_total = excluded.rows_total,
    attempts = excluded.attempts, paused_ms = excluded.paused_ms, begun_ms = excluded.begun_ms,
    changed_ms = excluded.changed_ms
WHERE moves.phase NOT IN ('done', 'aborted')

-- name: set_limits
UPDATE map_state SET is_paused = $1, moves_at_once = $2, users_per_s_max = $3

-- name: set_plan_state
UPDATE plans SET state = $2 WHERE plan = $1

-- name: plans
SELECT plan, checksum, applied_ms, applied_by, map_version, state, content FROM plans
WHERE $1::bigint IS NULL OR plan = $1 ORDER BY plan

-- name: moves
SELECT partition, move_epoch, plan, source, target, phase, reason, rows_copied, rows_total, attempts, paused_ms,
    begun_ms, changed_ms
FROM moves WHERE ($1::bigint IS NULL OR plan = $1) AND NOT ($2::boolean AND phase IN ('done', 'aborted'))
ORDER BY move_epoch, partition

-- name: history
SELECT version, changed_ms, changed_by, change FROM map_history ORDER BY version DESC LIMIT $1
