DROP TABLE recovery_codes;
DROP TABLE authenticators;
ALTER TABLE roles DROP COLUMN requires_totp;
ALTER TABLE user_sessions DROP COLUMN proved_at;
