-- PostgreSQL runs this file once, for a new volume. Dagster's own storage is the database `dagster`, which the image creates.
CREATE DATABASE harvest OWNER harvest;
