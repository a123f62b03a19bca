-- What somebody put off of what needs attention: until when, by whom and why. It stands until it is taken up again, put off anew, or its time is over.
CREATE TABLE put_offs (
    id uuid NOT NULL,
    concern text NOT NULL,
    weight integer NOT NULL,
    grade integer NOT NULL,
    reason text NOT NULL,
    put_off_by uuid NOT NULL,
    put_off_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    until timestamptz NOT NULL,
    ended_by uuid,
    ended_at timestamptz,
    CONSTRAINT pk_put_offs PRIMARY KEY (id),
    CONSTRAINT fk_put_offs_put_off_by FOREIGN KEY(put_off_by) REFERENCES users (id),
    CONSTRAINT fk_put_offs_ended_by FOREIGN KEY(ended_by) REFERENCES users (id),
    CONSTRAINT ck_put_offs_until CHECK (until > put_off_at AND until <= put_off_at + interval '3 days'),
    CONSTRAINT ck_put_offs_ended CHECK (ended_by IS NULL OR ended_at IS NOT NULL)
);
-- A concern is put off once at a time.
CREATE UNIQUE INDEX uq_put_offs_standing ON put_offs (concern) WHERE ended_at IS NULL;
