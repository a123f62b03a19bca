DROP TABLE report_files;
DROP TABLE reports;
DROP TABLE report_schedules;
DROP FUNCTION hold_the_report();
