DROP TABLE breaks;
DELETE FROM breakers WHERE biller_type NOT IN (SELECT code FROM biller_types);
ALTER TABLE breakers ADD CONSTRAINT fk_breakers_biller_type FOREIGN KEY(biller_type) REFERENCES biller_types (code);
