-- Proofs: when a session last proved who it is, the authenticators that people enrolled, and their recovery codes.
ALTER TABLE user_sessions ADD COLUMN proved_at timestamptz;
