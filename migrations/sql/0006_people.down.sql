DROP TABLE api_tokens;
ALTER TABLE user_sessions DROP COLUMN id;
DROP TABLE user_billers;
ALTER TABLE users DROP COLUMN password_given;
ALTER TABLE roles DROP COLUMN edited_at, DROP COLUMN edited_by;
