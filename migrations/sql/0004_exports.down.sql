DROP TABLE exports;
DROP FUNCTION hold_the_export();
