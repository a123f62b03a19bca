-- Who is told of what: the outbox that events are written into, by which ways they are told, and what became of each telling.
CREATE TABLE notification_channels (
    id uuid NOT NULL,
    name text NOT NULL,
    medium text NOT NULL,
    destination text NOT NULL,
    shown text NOT NULL,
    is_on boolean DEFAULT true NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    down_since timestamptz,
    next_try_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    changed_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    changed_by uuid,
    CONSTRAINT pk_notification_channels PRIMARY KEY (id),
    CONSTRAINT fk_notification_channels_changed_by FOREIGN KEY(changed_by) REFERENCES users (id),
    CONSTRAINT ck_notification_channels_medium CHECK (medium IN ('email', 'sms', 'webhook')),
    CONSTRAINT ck_notification_channels_down CHECK ((failures = 0) = (down_since IS NULL))
);
CREATE UNIQUE INDEX uq_notification_channels_name ON notification_channels (lower(name));
CREATE TRIGGER hold_the_keys BEFORE INSERT OR UPDATE OF destination ON notification_channels
    FOR EACH ROW WHEN (NEW.destination IS NOT NULL) EXECUTE FUNCTION hold_the_keys('destination');

CREATE TABLE notification_subscriptions (
    id uuid NOT NULL,
    event text NOT NULL,
    biller_type text,
    channel_id uuid NOT NULL,
    role text,
    address text,
    is_on boolean DEFAULT true NOT NULL,
    changed_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    changed_by uuid,
    CONSTRAINT pk_notification_subscriptions PRIMARY KEY (id),
    CONSTRAINT fk_notification_subscriptions_biller_type FOREIGN KEY(biller_type) REFERENCES biller_types (code),
    CONSTRAINT fk_notification_subscriptions_channel_id FOREIGN KEY(channel_id) REFERENCES notification_channels (id),
    CONSTRAINT fk_notification_subscriptions_role FOREIGN KEY(role) REFERENCES roles (code),
    CONSTRAINT fk_notification_subscriptions_changed_by FOREIGN KEY(changed_by) REFERENCES users (id),
    CONSTRAINT ck_notification_subscriptions_whom CHECK (num_nonnulls(role, address) <= 1)
);
CREATE INDEX ix_notification_subscriptions_event ON notification_subscriptions (event) WHERE is_on;

-- Where people who use the console are told. A customer's telephone is nowhere here.
CREATE TABLE notification_addresses (
    user_id uuid NOT NULL,
    email text,
    phone text,
    CONSTRAINT pk_notification_addresses PRIMARY KEY (user_id),
    CONSTRAINT fk_notification_addresses_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);

-- The bank's own words. What is not here is said in those that the console brings along.
CREATE TABLE notification_templates (
    event text NOT NULL,
    medium text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    changed_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    changed_by uuid,
    CONSTRAINT pk_notification_templates PRIMARY KEY (event, medium),
    CONSTRAINT fk_notification_templates_changed_by FOREIGN KEY(changed_by) REFERENCES users (id),
    CONSTRAINT ck_notification_templates_medium CHECK (medium IN ('email', 'sms'))
);

-- The outbox. It has no foreign key to what people change: nobody who does may ever hold up a payment.
CREATE TABLE notification_events (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    at timestamptz DEFAULT clock_timestamp() NOT NULL,
    event text NOT NULL,
    biller_type text,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    facts jsonb NOT NULL,
    spread_at timestamptz,
    CONSTRAINT pk_notification_events PRIMARY KEY (id)
);
CREATE INDEX ix_notification_events_unspread ON notification_events (at) WHERE spread_at IS NULL;
CREATE INDEX ix_notification_events_at ON notification_events (at DESC);
CREATE INDEX ix_notification_events_subject ON notification_events (subject_type, subject_id);

CREATE TABLE notification_deliveries (
    id uuid NOT NULL,
    event_id uuid NOT NULL,
    channel_id uuid NOT NULL,
    address text DEFAULT '' NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    state text DEFAULT 'waiting' NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    claim bigint DEFAULT 0 NOT NULL,
    next_try_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    ended_at timestamptz,
    told text,
    CONSTRAINT pk_notification_deliveries PRIMARY KEY (id),
    CONSTRAINT uq_notification_deliveries_event_id_channel_id_address UNIQUE (event_id, channel_id, address),
    CONSTRAINT fk_notification_deliveries_event_id FOREIGN KEY(event_id) REFERENCES notification_events (id) ON DELETE CASCADE,
    CONSTRAINT fk_notification_deliveries_channel_id FOREIGN KEY(channel_id) REFERENCES notification_channels (id),
    CONSTRAINT ck_notification_deliveries_state CHECK (state IN ('waiting', 'delivered', 'dead')),
    CONSTRAINT ck_notification_deliveries_ended CHECK ((state = 'waiting') = (ended_at IS NULL))
);
CREATE INDEX ix_notification_deliveries_waiting ON notification_deliveries (channel_id, next_try_at) WHERE state = 'waiting';
CREATE INDEX ix_notification_deliveries_created_at ON notification_deliveries (created_at DESC, id DESC);
CREATE INDEX ix_notification_deliveries_dead ON notification_deliveries (ended_at) WHERE state = 'dead';

CREATE TABLE notification_attempts (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    delivery_id uuid NOT NULL,
    at timestamptz DEFAULT clock_timestamp() NOT NULL,
    channel text NOT NULL,
    delivered boolean NOT NULL,
    answer text NOT NULL,
    duration_ms integer NOT NULL,
    CONSTRAINT pk_notification_attempts PRIMARY KEY (id),
    CONSTRAINT fk_notification_attempts_delivery_id FOREIGN KEY(delivery_id) REFERENCES notification_deliveries (id) ON DELETE CASCADE
);
CREATE INDEX ix_notification_attempts_delivery_id ON notification_attempts (delivery_id);

-- From which thresholds on somebody is alarmed. '' is whichever biller has no threshold of its own.
CREATE TABLE alert_thresholds (
    measure text NOT NULL,
    biller_type text DEFAULT '' NOT NULL,
    raise_at numeric(18, 2) NOT NULL,
    clear_at numeric(18, 2) NOT NULL,
    window_hours integer NOT NULL,
    least integer NOT NULL,
    owner text NOT NULL,
    is_on boolean NOT NULL,
    changed_at timestamptz,
    changed_by uuid,
    CONSTRAINT pk_alert_thresholds PRIMARY KEY (measure, biller_type),
    CONSTRAINT fk_alert_thresholds_changed_by FOREIGN KEY(changed_by) REFERENCES users (id),
    CONSTRAINT ck_alert_thresholds_window CHECK (window_hours BETWEEN 1 AND 168),
    CONSTRAINT ck_alert_thresholds_least CHECK (least >= 1),
    CONSTRAINT ck_alert_thresholds_owner CHECK (owner IN ('Administrator', 'Manager', 'Operator')),
    CONSTRAINT ck_alert_thresholds_apart CHECK (CASE WHEN measure = 'success_rate' THEN raise_at < clear_at ELSE raise_at > clear_at END)
);
INSERT INTO alert_thresholds (measure, raise_at, clear_at, window_hours, least, owner, is_on) VALUES
    ('success_rate', 90, 95, 1, 20, 'Manager', true),
    ('answer_p95', 10, 5, 1, 20, 'Manager', true),
    ('doubt_age', 60, 30, 1, 1, 'Manager', true),
    ('queue_age', 15, 5, 1, 1, 'Administrator', true),
    ('breaker_open', 2, 0, 1, 1, 'Administrator', true),
    ('dead_jobs', 1, 0, 1, 1, 'Administrator', true);

-- What was raised: once, until it is cleared.
CREATE TABLE alerts (
    id uuid NOT NULL,
    measure text NOT NULL,
    biller_type text DEFAULT '' NOT NULL,
    owner text NOT NULL,
    raised_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    told text NOT NULL,
    now_told text NOT NULL,
    cleared_at timestamptz,
    cleared_told text,
    CONSTRAINT pk_alerts PRIMARY KEY (id),
    CONSTRAINT ck_alerts_cleared CHECK ((cleared_at IS NULL) = (cleared_told IS NULL))
);
CREATE UNIQUE INDEX uq_alerts_open ON alerts (measure, biller_type) WHERE cleared_at IS NULL;
CREATE INDEX ix_alerts_raised_at ON alerts (raised_at DESC);
