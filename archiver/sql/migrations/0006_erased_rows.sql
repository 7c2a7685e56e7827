-- A closed board keeps the row of an erased user, without the user: who stood behind keeps place and rank, and the board
-- still tells how many were above. All such rows have the id 'erased', which a user may have too: `erased` tells.
ALTER TABLE leaderboards ADD COLUMN erased boolean NOT NULL DEFAULT false;
ALTER TABLE leaderboards DROP CONSTRAINT leaderboards_pkey;
DROP INDEX leaderboards_by_user;
CREATE UNIQUE INDEX leaderboards_by_user ON leaderboards (user_id, period) WHERE NOT erased;
