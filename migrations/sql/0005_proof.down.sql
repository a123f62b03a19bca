ALTER TABLE user_sessions DROP COLUMN proved_at;
