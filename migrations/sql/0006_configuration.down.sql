ALTER TABLE biller_config_versions DROP COLUMN proposal_id;
DROP TABLE configuration_proposals;
DROP FUNCTION hold_the_configuration_proposal();
ALTER TABLE biller_configs DROP COLUMN approved_version;
