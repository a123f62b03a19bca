DROP TABLE role_views;
DROP TABLE saved_views;
