DROP TABLE proposals;
DROP FUNCTION hold_the_proposal();
