DROP TABLE put_offs;
