-- What polls have seen of a task, and when: a line for the first and for each change, which is
-- written with what it changes (`bridge/store/history.py`).
ALTER TABLE watches ADD COLUMN seen TEXT;
