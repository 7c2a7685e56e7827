-- The first rows of a running board by key, in the board's own order (contracts/ranking.py): a gateway without a cache
-- asks for them every few seconds, which must not read the table. The price: a changed score writes an index entry.
CREATE INDEX scores_by_place ON scores (period, score DESC, scored_at, user_id);
