-- Nobody is owed anything in a lane that is not there: whoever writes to one that is just
-- being pruned is told so, and begins anew.

UPDATE delivery_schedule q SET lane_id = t.lane_id
FROM deliveries d JOIN destinations t ON t.id = d.destination_id
WHERE d.id = q.delivery_id AND NOT EXISTS (SELECT 1 FROM lanes l WHERE l.id = q.lane_id);

ALTER TABLE delivery_schedule ADD FOREIGN KEY (lane_id) REFERENCES lanes (id);
