DROP TABLE gates;
DROP FUNCTION hold_the_gate();
DROP TABLE installations;
