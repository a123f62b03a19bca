DROP TABLE bulk_items;
DROP TABLE bulk_acts;
DROP FUNCTION hold_the_bulk_item();
DROP FUNCTION hold_the_bulk_act();
