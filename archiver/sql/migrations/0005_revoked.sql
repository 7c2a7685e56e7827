-- Revocations by what tokens say of themselves, since nobody who revokes a lost token has its bytes. The table of 0001
-- was never written.
DROP TABLE revoked;

-- One row; whoever revokes raises it first in the same transaction. So versions become visible in their order, and a
-- reader that has seen version n misses nothing by asking for those above n.
CREATE TABLE revoked_version (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint NOT NULL
);
INSERT INTO revoked_version (version) VALUES (0);

CREATE TABLE revoked (
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('jti', 'sub')),
    value text COLLATE "C" NOT NULL,
    -- Of a user's tokens those issued up to then; none for a single token.
    issued_until_s double precision CHECK ((issued_until_s IS NULL) = (kind = 'jti')),
    -- 0: lifted.
    expires_ms bigint NOT NULL,
    revoked_ms bigint NOT NULL,
    revoked_by text NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (kind, value)
);
CREATE INDEX revoked_by_version ON revoked (version);
CREATE INDEX revoked_by_expiry ON revoked (expires_ms);
