-- Every query, in the order of the path. The parameter list after a name is checked when
-- the file is read; `!` marks a statement that returns no rows. Where several nodes share a
-- database, two names mean more, and a hint (`/*+ … */`, to SQLite a comment) is in force:
--
--   due_…      is followed by updates of the rows it returns, which are locked
--   advance_…  runs after the commit: a claim that could not see the new row yet may just be
--              writing its lane's time, and would have the last word

-- name: meta(name)
SELECT value FROM meta WHERE name = :name;

-- name: set_meta(name, value)!
INSERT INTO meta (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: add_meta(name, value)!
INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING;

-- By bytes, whatever the order of the database's language.
-- name: forget_meta(first, last)!
DELETE FROM meta
WHERE name /*+ COLLATE "C" */ >= :first AND name /*+ COLLATE "C" */ < :last;

-- Holds up whoever else is about to change it, until the commit.
-- name: lock_meta(name)
SELECT value FROM meta WHERE name = :name
/*+ FOR NO KEY UPDATE */;

-- Work that one node of several does, at most once in a while: the first to ask has it.
-- name: add_job(name)!
INSERT INTO jobs (name, next_at)
SELECT CAST(:name AS TEXT), 0 WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE name = :name)
ON CONFLICT (name) DO NOTHING;

-- name: take_job(name, now, next_at)
UPDATE jobs SET next_at = :next_at
WHERE name = (SELECT name FROM jobs WHERE name = :name AND next_at <= :now
    /*+ FOR NO KEY UPDATE SKIP LOCKED */)
RETURNING name;

-- Whether nobody else is at it; nobody is until the commit.
-- name: free_job(name)
SELECT name FROM jobs WHERE name = :name
/*+ FOR NO KEY UPDATE SKIP LOCKED */;

-- Holds up whoever else takes it, until the commit.
-- name: lock_job(name)!
UPDATE jobs SET next_at = next_at WHERE name = :name;

-- Nodes that are up; each says so every few seconds, one that takes no requests under a name
-- that begins so.
-- name: beat_node(node, now)!
INSERT INTO nodes (node, seen_at) VALUES (:node, :now)
ON CONFLICT (node) DO UPDATE SET seen_at = excluded.seen_at;

-- name: drop_nodes(node, before)!
DELETE FROM nodes WHERE node = :node OR seen_at < :before;

-- name: count_nodes(since)
SELECT count(*) AS nodes FROM nodes WHERE seen_at >= :since;

-- name: count_takers(since)
SELECT count(*) AS nodes FROM nodes WHERE seen_at >= :since AND node NOT LIKE 'no-api-%';

-- Subscribe

-- `subscription_key` is that of a subscription or of what else the answer was about.
-- name: replayed(client, route, key, since)
SELECT body, subscription_key, created FROM idempotency
WHERE client = :client AND route = :route AND key = :key AND created_at > :since;

-- One that another request has remembered meanwhile stays.
-- name: forget_key(client, route, key, before)!
DELETE FROM idempotency
WHERE client = :client AND route = :route AND key = :key AND created_at <= :before;

-- Of two requests with one key at once the second finds it taken, and is begun anew.
-- name: remember_key(client, route, key, body, subscription_key, created, now)!
INSERT INTO idempotency (client, route, key, body, subscription_key, created, created_at)
VALUES (:client, :route, :key, :body, :subscription_key, :created, :now);

-- Holds up whoever else goes on with what was begun under the key.
-- name: lock_key(client, route, key)
SELECT subscription_key FROM idempotency
WHERE client = :client AND route = :route AND key = :key
/*+ FOR NO KEY UPDATE */;

-- name: note_progress(client, route, key, progress)!
UPDATE idempotency SET subscription_key = :progress
WHERE client = :client AND route = :route AND key = :key;

-- name: find_repeat(identity)
SELECT key, state, finished_at FROM subscriptions WHERE identity = :identity;

-- name: forget_identity(identity)!
UPDATE subscriptions SET identity = NULL WHERE identity = :identity;

-- name: find_credential(fingerprint)
SELECT id FROM credentials WHERE fingerprint = :fingerprint;

-- name: add_credential(fingerprint, provider, own)!
INSERT INTO credentials (fingerprint, provider, own) VALUES (:fingerprint, :provider, :own)
ON CONFLICT (fingerprint) DO NOTHING;

-- Whoever needs the key waits here for who wipes it, and the other way round.
-- name: lock_own_credential(credential_id)
UPDATE credentials SET own = own WHERE id = :credential_id AND own = 1 RETURNING sealed;

-- For a task that is polled: the last that needed it may have ended meanwhile.
-- name: keep_key(credential_id, sealed)!
UPDATE credentials SET sealed = :sealed
WHERE id = :credential_id AND EXISTS (
    SELECT 1 FROM poll_schedule WHERE credential_id = :credential_id);

-- Locks the watch: whoever subscribes, stops or ends waits here for the other.
-- name: put_watch(identity, credential_id, provider, task_id, params, label, now)
INSERT INTO watches (identity, credential_id, provider, task_id, params, label, created_at)
VALUES (:identity, :credential_id, :provider, :task_id, :params, :label, :now)
ON CONFLICT (identity) DO UPDATE SET label = coalesce(watches.label, excluded.label)
RETURNING id, credential_id, ended_at, memory_until, answer, untold, submitted_at, polls;

-- name: lock_watch(watch_id)
UPDATE watches SET polls = polls WHERE id = :watch_id
RETURNING credential_id, ended_at, answer;

-- name: free_watch(watch_id)
SELECT id FROM watches WHERE id = :watch_id
/*+ FOR NO KEY UPDATE SKIP LOCKED */;

-- name: reopen_watch(watch_id, now)!
UPDATE watches
SET ended_at = NULL, memory_until = NULL, answer = NULL, untold = 0, status = NULL, progress = NULL,
    outcome = NULL, http_status = NULL, detail = NULL, outcome_since = NULL, outcome_from = NULL,
    seen = NULL, created_at = :now
WHERE id = :watch_id;

-- name: schedule_watch(watch_id, credential_id, share, next_at, claim_no, born_at, updates, raw)!
INSERT INTO poll_schedule (watch_id, credential_id, share, next_at, claim_no, born_at, updates, raw)
VALUES (:watch_id, :credential_id, :share, :next_at, :claim_no, :born_at, :updates, :raw)
ON CONFLICT (watch_id) DO UPDATE
SET updates = CASE WHEN excluded.updates > 0 THEN excluded.updates ELSE poll_schedule.updates END,
    raw = CASE WHEN excluded.raw > 0 THEN excluded.raw ELSE poll_schedule.raw END;

-- What makes work due earlier tells its lane, so that a claim finds it.
-- name: advance_credential(credential_id, at)!
UPDATE credentials SET due_at = :at WHERE id = :credential_id AND (due_at IS NULL OR due_at > :at);

-- name: find_lane(client, host, destination_id)
SELECT id FROM lanes WHERE client = :client AND host = :host AND destination_id = :destination_id;

-- name: add_lane(client, host, destination_id)!
INSERT INTO lanes (client, host, destination_id) VALUES (:client, :host, :destination_id)
ON CONFLICT (client, host, destination_id) DO NOTHING;

-- name: find_robot(fingerprint)
SELECT id FROM robots WHERE fingerprint = :fingerprint;

-- name: add_robot(fingerprint, kind)!
INSERT INTO robots (fingerprint, kind) VALUES (:fingerprint, :kind)
ON CONFLICT (fingerprint) DO NOTHING;

-- name: lead_lane(lane_id, robot_id)!
UPDATE lanes SET robot_id = :robot_id WHERE id = :lane_id;

-- name: find_destination(fingerprint)
SELECT id, sealed FROM destinations WHERE fingerprint = :fingerprint;

-- name: add_destination(fingerprint, lane_id, sealed)!
INSERT INTO destinations (fingerprint, lane_id, sealed) VALUES (:fingerprint, :lane_id, :sealed)
ON CONFLICT (fingerprint) DO NOTHING;

-- name: keep_destination(destination_id, sealed)!
UPDATE destinations SET sealed = :sealed WHERE id = :destination_id;

-- name: reopen_destination(destination_id, now)!
UPDATE destinations SET gone_at = NULL, reopened_at = :now WHERE id = :destination_id;

-- name: reopen_gone_destination(destination_id, now)!
UPDATE destinations SET gone_at = NULL, reopened_at = :now
WHERE id = :destination_id AND gone_at IS NOT NULL;

-- name: add_subscription(key, client, identity, watch_id, destination_id, events, method, format, include_raw, sealed, now, deadline_at)
INSERT INTO subscriptions (key, client, identity, watch_id, destination_id, events, method, format,
    include_raw, sealed, state, created_at, deadline_at, check_at)
VALUES (:key, :client, :identity, :watch_id, :destination_id, :events, :method, :format,
    :include_raw, :sealed, 'active', :now, :deadline_at, :deadline_at)
RETURNING id;

-- Standing hooks

-- name: find_equal_hook(identity)
SELECT id, key, destination_id FROM hooks WHERE identity = :identity;

-- name: count_hooks(client)
SELECT count(*) AS hooks FROM hooks WHERE client = :client AND removed_at IS NULL;

-- name: add_hook(key, client, identity, destination_id, events, provider, method, format, sealed, now)!
INSERT INTO hooks
    (key, client, identity, destination_id, events, provider, method, format, sealed, created_at)
VALUES (:key, :client, :identity, :destination_id, :events, :provider, :method, :format, :sealed, :now);

-- name: find_hook(key, client)
SELECT id, destination_id, removed_at FROM hooks
WHERE key = :key AND client <> '' AND (CAST(:client AS TEXT) IS NULL OR client = :client);

-- name: view_hook(hook_id)
SELECT h.key, h.client, h.events, h.provider, h.method, h.format, h.sealed, h.created_at,
    t.sealed AS destination
FROM hooks h JOIN destinations t ON t.id = h.destination_id
WHERE h.id = :hook_id;

-- name: page_of_hooks(client, before, limit)
SELECT id FROM hooks
WHERE id < :before AND removed_at IS NULL AND client <> ''
    AND (CAST(:client AS TEXT) IS NULL OR client = :client)
ORDER BY id DESC LIMIT :limit;

-- name: remove_hook(hook_id, now)!
UPDATE hooks SET removed_at = :now, identity = NULL WHERE id = :hook_id AND removed_at IS NULL;

-- What others are at, the next claim drops.
-- name: hook_deliveries(hook_id, destination_id, limit)
SELECT d.id FROM deliveries d
WHERE d.destination_id = :destination_id AND d.hook_id = :hook_id AND d.state IN ('waiting', 'retrying')
LIMIT :limit
/*+ FOR NO KEY UPDATE OF d SKIP LOCKED */;

-- Stop

-- name: find_subscription(key, client)
SELECT id, key, client, watch_id, state FROM subscriptions
WHERE key = :key AND client <> '' AND (CAST(:client AS TEXT) IS NULL OR client = :client);

-- name: view_call(subscription_id)
SELECT s.client, s.events, s.method, s.format, s.sealed, t.sealed AS destination
FROM subscriptions s JOIN destinations t ON t.id = s.destination_id
WHERE s.id = :subscription_id;

-- name: stop_subscription(subscription_id, now)
UPDATE subscriptions
SET state = 'stopped', finished_at = :now, identity = NULL, check_at = NULL, closing_at = NULL
WHERE id = :subscription_id AND state = 'active'
RETURNING id;

-- name: active_of(client, provider, limit)
SELECT s.key FROM subscriptions s JOIN watches w ON w.id = s.watch_id
WHERE s.state = 'active' AND (s.client = :client OR w.provider = :provider) LIMIT :limit;

-- name: owing_of(client, limit)
SELECT s.key FROM delivery_schedule q
JOIN lanes l ON l.id = q.lane_id AND l.client = :client
JOIN deliveries d ON d.id = q.delivery_id
JOIN subscriptions s ON s.id = d.subscription_id LIMIT :limit;

-- name: drop_deliveries(subscription_id, now, state)
UPDATE deliveries SET state = :state, updated_at = :now
WHERE subscription_id = :subscription_id AND state IN ('waiting', 'retrying')
RETURNING id, hook_id;

-- name: drop_schedule(delivery_id)!
DELETE FROM delivery_schedule WHERE delivery_id = :delivery_id;

-- name: drop_planned(delivery_id)!
DELETE FROM delivery_schedule WHERE delivery_id = :delivery_id AND manual = 0;

-- name: drop_schedules(subscription_id)!
DELETE FROM delivery_schedule
WHERE delivery_id IN (SELECT id FROM deliveries WHERE subscription_id = :subscription_id);

-- name: unschedule_idle_watch(watch_id)
DELETE FROM poll_schedule
WHERE watch_id = :watch_id AND NOT EXISTS (
    SELECT 1 FROM subscriptions WHERE watch_id = :watch_id AND state = 'active')
RETURNING credential_id, claim_no, polled_at;

-- name: keep_poll_count(watch_id, polls, polled_at)!
UPDATE watches SET polls = :polls, polled_at = :polled_at WHERE id = :watch_id;

-- name: wipe_unused_key(credential_id)!
UPDATE credentials SET sealed = NULL
WHERE id = :credential_id AND sealed IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM poll_schedule WHERE credential_id = :credential_id);

-- Poll

-- The owners of lanes, one step for each: whether a lane of theirs is ready, and when the
-- next will be.
-- name: poll_owners(now)
WITH RECURSIVE owner (name) AS (
    SELECT min(provider) FROM credentials WHERE ready_at IS NOT NULL
    UNION ALL
    SELECT (SELECT min(provider) FROM credentials WHERE provider > owner.name AND ready_at IS NOT NULL)
    FROM owner WHERE owner.name IS NOT NULL
)
SELECT name,
    (SELECT min(ready_at) FROM credentials WHERE provider = name AND ready_at <= :now) AS ready_at,
    (SELECT min(ready_at) FROM credentials WHERE provider = name AND ready_at > :now) AS next_at
FROM owner WHERE name IS NOT NULL;

-- name: ready_credentials(owner, now, limit)
SELECT id, provider, ready_at, probes FROM credentials
WHERE provider = :owner AND ready_at <= :now ORDER BY ready_at LIMIT :limit;

-- name: due_credential(credential_id)
SELECT full_at, stretches FROM credentials WHERE id = :credential_id
/*+ FOR NO KEY UPDATE SKIP LOCKED */;

-- Whose watches of a credential are due: one step for each client that has any.
-- name: waiting_shares(credential_id, now)
WITH RECURSIVE owner (share) AS (
    SELECT min(share) FROM poll_schedule WHERE credential_id = :credential_id
    UNION ALL
    SELECT (SELECT min(share) FROM poll_schedule
            WHERE credential_id = :credential_id AND share > owner.share)
    FROM owner WHERE owner.share IS NOT NULL
)
SELECT share FROM owner WHERE share IS NOT NULL AND EXISTS (
    SELECT 1 FROM poll_schedule
    WHERE credential_id = :credential_id AND share = owner.share AND next_at <= :now);

-- name: due_polls(credential_id, now, limit)
SELECT s.watch_id, s.credential_id, s.share, s.claim_no, s.failures, s.strikes, s.polled_at, s.born_at,
    s.updates, s.raw, s.closing_at, s.hinted_at,
    s.alone, w.provider, coalesce(w.model, '~' || w.label) AS model, w.task_id, w.params, w.created_at, w.status,
    w.polls, w.progress, w.outcome, w.outcome_since, c.own, c.sealed, c.worked_at, c.refused_at, c.refused_by
FROM poll_schedule s
JOIN watches w ON w.id = s.watch_id
JOIN credentials c ON c.id = s.credential_id
WHERE s.credential_id = :credential_id AND s.next_at <= :now AND c.paused_until <= :now
ORDER BY s.next_at LIMIT :limit
/*+ FOR NO KEY UPDATE OF s SKIP LOCKED */;

-- name: due_polls_of_share(credential_id, share, now, limit)
SELECT s.watch_id, s.credential_id, s.share, s.claim_no, s.failures, s.strikes, s.polled_at, s.born_at,
    s.updates, s.raw, s.closing_at, s.hinted_at,
    s.alone, w.provider, coalesce(w.model, '~' || w.label) AS model, w.task_id, w.params, w.created_at, w.status,
    w.polls, w.progress, w.outcome, w.outcome_since, c.own, c.sealed, c.worked_at, c.refused_at, c.refused_by
FROM poll_schedule s
JOIN watches w ON w.id = s.watch_id
JOIN credentials c ON c.id = s.credential_id
WHERE s.credential_id = :credential_id AND s.share = :share AND s.next_at <= :now
    AND c.paused_until <= :now
ORDER BY s.next_at LIMIT :limit
/*+ FOR NO KEY UPDATE OF s SKIP LOCKED */;

-- Whom one more request can ask about as well, those first who are due soonest.
-- name: due_riders(credential_id, now, before, limit)
SELECT s.watch_id, s.credential_id, s.share, s.claim_no, s.failures, s.strikes, s.polled_at, s.born_at,
    s.updates, s.raw, s.closing_at, s.hinted_at,
    s.alone, w.provider, coalesce(w.model, '~' || w.label) AS model, w.task_id, w.params, w.created_at, w.status,
    w.polls, w.progress, w.outcome, w.outcome_since, c.own, c.sealed, c.worked_at, c.refused_at, c.refused_by
FROM poll_schedule s
JOIN watches w ON w.id = s.watch_id
JOIN credentials c ON c.id = s.credential_id
WHERE s.credential_id = :credential_id AND s.alone = 0 AND s.failures = 0
    AND (s.polled_at IS NULL OR s.polled_at <= :before) AND c.paused_until <= :now
ORDER BY s.next_at LIMIT :limit
/*+ FOR NO KEY UPDATE OF s SKIP LOCKED */;

-- name: due_batch(credential_id)
SELECT batch_full_at FROM credentials WHERE id = :credential_id
/*+ FOR NO KEY UPDATE SKIP LOCKED */;

-- name: spend_batch(credential_id, full_at)!
UPDATE credentials SET batch_full_at = :full_at WHERE id = :credential_id;

-- name: poll_by(watch_id, at)!
UPDATE poll_schedule SET next_at = :at WHERE watch_id = :watch_id AND next_at > :at;

-- name: ask_alone(watch_id, claim_no, now, alone)
UPDATE poll_schedule SET next_at = :now, alone = :alone
WHERE watch_id = :watch_id AND claim_no = :claim_no
RETURNING credential_id;

-- name: claim_poll(watch_id, next_at, now)!
UPDATE poll_schedule SET next_at = :next_at, claim_no = claim_no + 1, polled_at = :now
WHERE watch_id = :watch_id;

-- name: rearm_poll(watch_id, next_at)!
UPDATE poll_schedule SET next_at = :next_at WHERE watch_id = :watch_id;

-- Of polls whose answers take longer than their gaps: nobody else is to ask meanwhile.
-- name: keep_poll(watch_id, claim_no, next_at)!
UPDATE poll_schedule SET next_at = :next_at
WHERE watch_id = :watch_id AND claim_no = :claim_no AND next_at < :next_at;

-- After a claim: what it has left due, and when the rate limit allows more of it.
-- name: leave_credential(credential_id, full_at, free_at, stretches)
UPDATE credentials
SET due_at = (SELECT min(next_at) FROM poll_schedule WHERE credential_id = :credential_id),
    full_at = :full_at, free_at = :free_at, stretches = :stretches
WHERE id = :credential_id
RETURNING ready_at;

-- What has come meanwhile.
-- name: advance_credential_to_next(credential_id)!
UPDATE credentials
SET due_at = (SELECT min(next_at) FROM poll_schedule WHERE credential_id = :credential_id)
WHERE id = :credential_id
    AND (SELECT min(next_at) FROM poll_schedule WHERE credential_id = :credential_id) IS NOT NULL
    AND (due_at IS NULL
        OR due_at > (SELECT min(next_at) FROM poll_schedule WHERE credential_id = :credential_id));

-- While a deadline waits for a last look, no pause goes beyond `latest`.
-- name: reschedule_poll(watch_id, claim_no, next_at, latest, failures, strikes, born_at)
UPDATE poll_schedule
SET born_at = coalesce(:born_at, born_at),
    next_at = CASE WHEN CAST(:next_at AS DOUBLE PRECISION) IS NULL THEN next_at
        WHEN CAST(:failures AS INTEGER) = 0 AND hinted_at >= polled_at AND next_at < :next_at THEN next_at
        WHEN closing_at IS NOT NULL AND :next_at > :latest THEN :latest ELSE :next_at END,
    failures = :failures, strikes = :strikes
WHERE watch_id = :watch_id AND claim_no = :claim_no
RETURNING next_at;

-- name: record_observation(watch_id, status, progress, outcome, http_status, detail, now, claim_no, model, submitted_at, line, most)!
UPDATE watches
SET seen = CASE WHEN (outcome = :outcome AND coalesce(:status, status, '') = coalesce(status, '')) OR length(seen) > :most
        THEN seen ELSE coalesce(seen, '') || :line END,
    outcome_since = CASE WHEN outcome = :outcome THEN outcome_since ELSE :now END,
    outcome_from = CASE WHEN outcome = :outcome THEN outcome_from ELSE :claim_no END,
    outcome = :outcome, http_status = :http_status, detail = :detail,
    status = coalesce(:status, status), progress = coalesce(:progress, progress),
    model = coalesce(model, :model), submitted_at = coalesce(submitted_at, :submitted_at)
WHERE id = :watch_id AND ended_at IS NULL;

-- A pause because of a refused key is over; one that the provider asked for is not.
-- name: key_worked(credential_id, now)!
UPDATE credentials SET worked_at = :now, refused_at = NULL, refused_by = NULL, probes = 0,
    throttles = CASE WHEN paused_until > :now THEN throttles ELSE 0 END,
    throttled_at = CASE WHEN paused_until > :now THEN throttled_at ELSE NULL END,
    paused_until = CASE WHEN throttles > 0 THEN paused_until ELSE 0 END
WHERE id = :credential_id;

-- name: key_refused(credential_id, now, watch_id, paused_until, probes)!
UPDATE credentials
SET refused_at = coalesce(refused_at, :now), refused_by = coalesce(refused_by, :watch_id),
    throttles = CASE WHEN paused_until > :now THEN throttles ELSE 0 END,
    paused_until = CASE WHEN paused_until > :paused_until THEN paused_until ELSE :paused_until END,
    probes = :probes
WHERE id = :credential_id;

-- name: credential_pause(credential_id)
SELECT paused_until, probes, throttles, refused_by FROM credentials WHERE id = :credential_id;

-- name: throttle_credential(credential_id, now, paused_until, throttles)!
UPDATE credentials
SET throttles = :throttles, throttled_at = CASE WHEN throttles > 0 THEN throttled_at ELSE :now END,
    paused_until = CASE WHEN paused_until > :paused_until THEN paused_until ELSE :paused_until END
WHERE id = :credential_id;

-- End

-- An end is a fact, whoever saw it: the first writer wins, no claim is asked for.
-- name: end_watch(watch_id, now, status, progress, http_status, model, submitted_at, memory_until, answer)
UPDATE watches
SET ended_at = :now, status = :status, progress = coalesce(:progress, progress), outcome = 'ended',
    http_status = :http_status, detail = NULL, outcome_since = :now, outcome_from = polls,
    model = coalesce(model, :model), submitted_at = coalesce(submitted_at, :submitted_at),
    memory_until = :memory_until, answer = :answer
WHERE id = :watch_id AND ended_at IS NULL
RETURNING id, credential_id;

-- name: end_poll_count(watch_id, polls, polled_at)!
UPDATE watches SET polls = :polls, outcome_from = :polls, polled_at = :polled_at WHERE id = :watch_id;

-- name: set_untold(watch_id, untold)!
UPDATE watches SET untold = :untold WHERE id = :watch_id;

-- name: untold_watches(limit)
SELECT id FROM watches WHERE untold = 1 LIMIT :limit;

-- name: unschedule_watch(watch_id)
DELETE FROM poll_schedule WHERE watch_id = :watch_id RETURNING claim_no, polled_at;

-- name: listeners(watch_id, after, limit)
SELECT s.id, s.key, s.client, s.destination_id, s.events, s.include_raw, s.sealed, s.created_at,
    s.deadline_at, s.updates, s.closing_at, d.lane_id, d.gone_at, w.provider, w.task_id, w.model,
    w.status, w.progress, w.submitted_at,
    (SELECT count(*) FROM hooks h WHERE h.client = s.client AND h.removed_at IS NULL) AS hooks
FROM subscriptions s
JOIN watches w ON w.id = s.watch_id
LEFT JOIN destinations d ON d.id = s.destination_id
WHERE s.watch_id = :watch_id AND s.state = 'active' AND s.id > :after
ORDER BY s.id LIMIT :limit;

-- name: end_subscription(subscription_id, outcome, status, now)
UPDATE subscriptions
SET state = 'ended', outcome = :outcome, status = :status, finished_at = :now, check_at = NULL, closing_at = NULL
WHERE id = :subscription_id AND state = 'active'
RETURNING id;

-- name: add_event(subscription_id, sequence, type, now, body)!
INSERT INTO events (subscription_id, sequence, type, at, body)
VALUES (:subscription_id, :sequence, :type, :now, :body);

-- name: hooks_of(client, provider)
SELECT h.id, h.events, h.destination_id, t.lane_id
FROM hooks h JOIN destinations t ON t.id = h.destination_id
WHERE h.client = :client AND h.removed_at IS NULL
    AND (h.provider IS NULL OR h.provider = :provider)
ORDER BY h.id;

-- name: add_delivery(subscription_id, sequence, hook_id, destination_id, state, now)
INSERT INTO deliveries
    (subscription_id, sequence, hook_id, destination_id, state, created_at, updated_at)
VALUES (:subscription_id, :sequence, :hook_id, :destination_id, :state, :now, :now)
RETURNING id;

-- name: schedule_delivery(delivery_id, manual, lane_id, retry, next_at, failures)!
INSERT INTO delivery_schedule (delivery_id, manual, lane_id, retry, next_at, failures)
VALUES (:delivery_id, :manual, :lane_id, :retry, :next_at, :failures);

-- name: next_update(subscription_id)
UPDATE subscriptions SET updates = updates + 1 WHERE id = :subscription_id RETURNING updates;

-- name: superseded_schedule(delivery_id)
SELECT next_at, failures, retry, claimed_at FROM delivery_schedule
WHERE delivery_id = :delivery_id AND manual = 0;

-- Deadlines

-- Those who came `since` go by `now`, all others by `until`. Watches that another node is at
-- are left to it, dead or alive: it is up to a second late with them, and holds up no others.
-- name: due_deadlines(now, until, since, limit)
SELECT s.id, s.watch_id, w.credential_id, s.created_at, s.deadline_at, s.closing_at, s.spare_s,
    w.provider, w.outcome, c.probes, c.worked_at, c.refused_at
FROM subscriptions s
JOIN watches w ON w.id = s.watch_id
JOIN credentials c ON c.id = w.credential_id
WHERE s.state = 'active' AND s.check_at <= :now AND (s.check_at <= :until OR s.created_at >= :since)
ORDER BY s.check_at LIMIT :limit
/*+ FOR NO KEY UPDATE OF w SKIP LOCKED */;

-- name: check_later(subscription_id, check_at, closing_at)!
UPDATE subscriptions SET check_at = :check_at, closing_at = :closing_at
WHERE id = :subscription_id AND state = 'active';

-- name: move_deadline(subscription_id, deadline_at, spare_s)!
UPDATE subscriptions
SET deadline_at = :deadline_at, check_at = :deadline_at, closing_at = NULL, spare_s = :spare_s
WHERE id = :subscription_id AND state = 'active';

-- A last look stands first in its lane: `at` is longer ago than anybody waits.
-- name: hinted_watch(key)
SELECT p.watch_id, p.credential_id, p.polled_at, p.hinted_at, p.failures, w.provider
FROM subscriptions s
JOIN poll_schedule p ON p.watch_id = s.watch_id
JOIN watches w ON w.id = s.watch_id
WHERE s.key = :key AND s.state = 'active';

-- name: hint_poll(watch_id, at, now)!
UPDATE poll_schedule SET next_at = CASE WHEN next_at < :at THEN next_at ELSE :at END, hinted_at = :now
WHERE watch_id = :watch_id;

-- name: poll_now(watch_id, at, closing_at)!
UPDATE poll_schedule
SET next_at = CASE WHEN next_at < :at THEN next_at ELSE :at END,
    closing_at = CASE WHEN closing_at < :closing_at THEN closing_at ELSE :closing_at END
WHERE watch_id = :watch_id;

-- name: reopen_deadlines()!
UPDATE subscriptions SET closing_at = NULL, check_at = deadline_at
WHERE state = 'active' AND closing_at IS NOT NULL;

-- The next deadline of the watch among those that have passed and wait for a last answer.
-- name: settle_closing(watch_id)!
UPDATE poll_schedule
SET closing_at = (SELECT min(deadline_at) FROM subscriptions
    WHERE watch_id = :watch_id AND state = 'active' AND closing_at IS NOT NULL)
WHERE watch_id = :watch_id AND closing_at IS NOT NULL;

-- CROSS keeps SQLite to this order: from the few credentials that are refused.
-- name: keyless_subscriptions(before, since, fresh_before, limit)
SELECT s.id, s.watch_id, 'auth' AS outcome
FROM credentials c CROSS JOIN poll_schedule p CROSS JOIN subscriptions s
WHERE (c.refused_at <= :before OR (c.refused_at >= :since AND c.refused_at <= :fresh_before))
    AND c.worked_at IS NULL AND p.credential_id = c.id AND s.watch_id = p.watch_id AND s.state = 'active'
    AND (s.created_at <= :before OR (s.created_at >= :since AND s.created_at <= :fresh_before))
LIMIT :limit;

-- Deliver

-- name: first_owners(now)
WITH RECURSIVE owner (name) AS (
    SELECT min(client) FROM lanes WHERE first_ready_at IS NOT NULL
    UNION ALL
    SELECT (SELECT min(client) FROM lanes WHERE client > owner.name AND first_ready_at IS NOT NULL)
    FROM owner WHERE owner.name IS NOT NULL
)
SELECT name,
    (SELECT min(first_ready_at) FROM lanes WHERE client = name AND first_ready_at <= :now) AS ready_at,
    (SELECT min(first_ready_at) FROM lanes WHERE client = name AND first_ready_at > :now) AS next_at
FROM owner WHERE name IS NOT NULL;

-- name: ready_first_lanes(owner, now, limit, full, probed)
SELECT id, client, host, first_ready_at AS ready_at, probing FROM lanes
WHERE client = :owner AND first_ready_at <= :now
    AND host NOT IN (SELECT key FROM json_each(:full /*+ ::json */))
    AND id NOT IN (SELECT CAST(key AS BIGINT) FROM json_each(:probed /*+ ::json */))
ORDER BY first_ready_at LIMIT :limit;

-- Of these hosts alone, where all others of the client have to wait.
-- name: ready_first_lanes_of(owner, now, limit, hosts)
SELECT l.id, l.client, l.host, l.first_ready_at AS ready_at, l.probing
FROM json_each(:hosts /*+ ::json */) j CROSS JOIN lanes l
WHERE l.client = :owner AND l.host = j.key AND l.first_ready_at <= :now
ORDER BY l.first_ready_at LIMIT :limit;

-- name: retry_owners(now)
WITH RECURSIVE owner (name) AS (
    SELECT min(client) FROM lanes WHERE retry_ready_at IS NOT NULL AND destination_id >= 0
    UNION ALL
    SELECT (SELECT min(client) FROM lanes WHERE client > owner.name AND retry_ready_at IS NOT NULL AND destination_id >= 0)
    FROM owner WHERE owner.name IS NOT NULL
)
SELECT name,
    (SELECT min(retry_ready_at) FROM lanes WHERE client = name AND destination_id >= 0 AND retry_ready_at <= :now) AS ready_at,
    (SELECT min(retry_ready_at) FROM lanes WHERE client = name AND destination_id >= 0 AND retry_ready_at > :now) AS next_at
FROM owner WHERE name IS NOT NULL;

-- name: ready_retry_lanes(owner, now, limit, full, probed)
SELECT id, client, host, retry_ready_at AS ready_at, probing FROM lanes
WHERE client = :owner AND destination_id >= 0 AND retry_ready_at <= :now
    AND host NOT IN (SELECT key FROM json_each(:full /*+ ::json */))
    AND id NOT IN (SELECT CAST(key AS BIGINT) FROM json_each(:probed /*+ ::json */))
ORDER BY retry_ready_at LIMIT :limit;

-- name: ready_retry_lanes_of(owner, now, limit, hosts)
SELECT l.id, l.client, l.host, l.retry_ready_at AS ready_at, l.probing
FROM json_each(:hosts /*+ ::json */) j CROSS JOIN lanes l
WHERE l.client = :owner AND l.host = j.key AND l.destination_id >= 0 AND l.retry_ready_at <= :now
ORDER BY l.retry_ready_at LIMIT :limit;

-- Lanes of replays (bridge/store/replaying.py).

-- name: replay_owners(now)
WITH RECURSIVE owner (name) AS (
    SELECT min(client) FROM lanes WHERE retry_ready_at IS NOT NULL AND destination_id < 0
    UNION ALL
    SELECT (SELECT min(client) FROM lanes WHERE client > owner.name AND retry_ready_at IS NOT NULL AND destination_id < 0)
    FROM owner WHERE owner.name IS NOT NULL
)
SELECT name,
    (SELECT min(retry_ready_at) FROM lanes WHERE client = name AND destination_id < 0 AND retry_ready_at <= :now) AS ready_at,
    (SELECT min(retry_ready_at) FROM lanes WHERE client = name AND destination_id < 0 AND retry_ready_at > :now) AS next_at
FROM owner WHERE name IS NOT NULL;

-- name: ready_replay_lanes(owner, now, limit, full, probed)
SELECT id, client, host, retry_ready_at AS ready_at, probing FROM lanes
WHERE client = :owner AND destination_id < 0 AND retry_ready_at <= :now
    AND host NOT IN (SELECT key FROM json_each(:full /*+ ::json */))
    AND id NOT IN (SELECT CAST(key AS BIGINT) FROM json_each(:probed /*+ ::json */))
ORDER BY retry_ready_at LIMIT :limit;

-- name: ready_replay_lanes_of(owner, now, limit, hosts)
SELECT l.id, l.client, l.host, l.retry_ready_at AS ready_at, l.probing
FROM json_each(:hosts /*+ ::json */) j CROSS JOIN lanes l
WHERE l.client = :owner AND l.host = j.key AND l.destination_id < 0 AND l.retry_ready_at <= :now
ORDER BY l.retry_ready_at LIMIT :limit;

-- name: due_lane(lane_id)
SELECT id, destination_id, robot_id FROM lanes WHERE id = :lane_id
/*+ FOR NO KEY UPDATE SKIP LOCKED */;

-- name: due_robot(robot_id)
SELECT kind, full_at, muted_until FROM robots WHERE id = :robot_id
/*+ FOR NO KEY UPDATE SKIP LOCKED */;

-- name: spend_robot(robot_id, full_at)!
UPDATE robots SET full_at = :full_at WHERE id = :robot_id;

-- name: mute_robot(robot_id, until)!
UPDATE robots SET muted_until = :until WHERE id = :robot_id AND muted_until < :until;

-- name: rest_lane(lane_id, until)!
UPDATE lanes SET paused_until = :until WHERE id = :lane_id AND paused_until < :until;

-- A lane of replays (bridge/store/replaying.py) rests while the one beside it does.
-- name: rest_beside(lane_id, beside, now)
UPDATE lanes
SET (paused_until, probing, opened_at) = (
    SELECT CASE WHEN b.paused_until > lanes.paused_until THEN b.paused_until ELSE lanes.paused_until END,
        b.probing, b.opened_at
    FROM lanes b
    WHERE b.client = lanes.client AND b.host = lanes.host AND b.destination_id = :beside)
WHERE id = :lane_id AND EXISTS (SELECT 1 FROM lanes b
    WHERE b.client = lanes.client AND b.host = lanes.host AND b.destination_id = :beside
        AND (b.paused_until > lanes.paused_until AND b.paused_until > :now OR b.probing <> lanes.probing
            OR coalesce(b.opened_at, 0) <> coalesce(lanes.opened_at, 0)))
RETURNING id;

-- name: due_deliveries(lane_id, retry, now, limit)
SELECT s.id, s.delivery_id, s.manual, s.retry, s.next_at, s.claim_no, s.failures, s.conflicts, s.claimed_at,
    d.subscription_id, d.sequence, d.destination_id, d.attempts, d.lost, d.created_at, e.type, e.body,
    u.key, u.client, coalesce(h.method, u.method) AS method, coalesce(h.format, u.format) AS format,
    u.sealed AS wish, t.sealed AS destination, t.lane_id AS home_id, t.gone_at,
    h.key AS hook, h.sealed AS hook_sealed, h.removed_at,
    (SELECT destination_id FROM lanes WHERE id = t.lane_id) AS home_of,
    (SELECT robot_id FROM lanes WHERE id = t.lane_id) AS home_robot,
    (SELECT max(o.next_at) FROM delivery_schedule o
     WHERE o.delivery_id = s.delivery_id AND o.id <> s.id AND o.claimed_at IS NOT NULL) AS busy_until
FROM delivery_schedule s
JOIN deliveries d ON d.id = s.delivery_id
JOIN events e ON e.subscription_id = d.subscription_id AND e.sequence = d.sequence
JOIN subscriptions u ON u.id = d.subscription_id
JOIN destinations t ON t.id = d.destination_id
LEFT JOIN hooks h ON h.id = d.hook_id
WHERE s.lane_id = :lane_id AND s.retry = :retry AND s.next_at <= :now
    AND (SELECT paused_until FROM lanes WHERE id = :lane_id) <= :now
ORDER BY s.next_at LIMIT :limit
/*+ FOR NO KEY UPDATE OF s, d SKIP LOCKED */;

-- name: claim_delivery(schedule_id, until, now)!
UPDATE delivery_schedule SET next_at = :until, claim_no = claim_no + 1, claimed_at = :now
WHERE id = :schedule_id;

-- name: rearm_delivery(schedule_id, next_at)!
UPDATE delivery_schedule SET next_at = :next_at WHERE id = :schedule_id;

-- After a claim: what it has left due.
-- name: leave_lane(lane_id)
UPDATE lanes
SET first_at = (SELECT min(next_at) FROM delivery_schedule WHERE lane_id = :lane_id AND retry = 0),
    retry_at = (SELECT min(next_at) FROM delivery_schedule WHERE lane_id = :lane_id AND retry = 1)
WHERE id = :lane_id
RETURNING first_ready_at, retry_ready_at;

-- name: advance_lane_to_next(lane_id)!
UPDATE lanes
SET first_at = (SELECT min(next_at) FROM delivery_schedule WHERE lane_id = :lane_id AND retry = 0),
    retry_at = (SELECT min(next_at) FROM delivery_schedule WHERE lane_id = :lane_id AND retry = 1)
WHERE id = :lane_id AND (
    (SELECT min(next_at) FROM delivery_schedule WHERE lane_id = :lane_id AND retry = 0) IS NOT NULL
        AND (first_at IS NULL OR first_at > (SELECT min(next_at) FROM delivery_schedule WHERE lane_id = :lane_id AND retry = 0))
    OR (SELECT min(next_at) FROM delivery_schedule WHERE lane_id = :lane_id AND retry = 1) IS NOT NULL
        AND (retry_at IS NULL OR retry_at > (SELECT min(next_at) FROM delivery_schedule WHERE lane_id = :lane_id AND retry = 1)));

-- name: advance_first(lane_id, at)!
UPDATE lanes SET first_at = :at WHERE id = :lane_id AND (first_at IS NULL OR first_at > :at);

-- name: advance_retry(lane_id, at)!
UPDATE lanes SET retry_at = :at WHERE id = :lane_id AND (retry_at IS NULL OR retry_at > :at);

-- name: count_attempt(delivery_id, number)!
UPDATE deliveries SET attempts = :number WHERE id = :delivery_id;

-- Was an attempt claimed and never finished? Then the receiver may have had it.
-- name: mark_lost(delivery_id)!
UPDATE deliveries SET lost = 1 WHERE id = :delivery_id;

-- name: end_lost_attempts(delivery_id, now, hint)!
UPDATE attempts SET finished_at = :now, hint = :hint
WHERE delivery_id = :delivery_id AND finished_at IS NULL;

-- name: add_attempt(delivery_id, number, manual, now)!
INSERT INTO attempts (delivery_id, number, manual, started_at, outcome)
VALUES (:delivery_id, :number, :manual, :now, 'unknown');

-- The delivery before its schedule, as whoever stops or supersedes it takes them.
-- name: lock_delivery(delivery_id)
SELECT state FROM deliveries WHERE id = :delivery_id
/*+ FOR NO KEY UPDATE */;

-- name: finish_attempt(delivery_id, number, now, outcome, http_status, detail, hint, answer)!
UPDATE attempts
SET finished_at = :now, outcome = :outcome, http_status = :http_status, detail = :detail, hint = :hint,
    answer = :answer
WHERE delivery_id = :delivery_id AND number = :number;

-- A 2xx is recorded whatever else happened meanwhile.
-- name: settle_delivery(delivery_id, state, outcome, hint, now)!
UPDATE deliveries
SET state = :state, last_outcome = :outcome, hint = :hint, updated_at = :now,
    given_up_at = CASE WHEN :state IN ('exhausted', 'gone')
        THEN CASE WHEN state = :state THEN coalesce(given_up_at, :now) ELSE :now END END
WHERE id = :delivery_id AND (state <> 'accepted' OR :state = 'accepted');

-- name: drop_owed_attempts(delivery_id, schedule_id)!
DELETE FROM delivery_schedule
WHERE delivery_id = :delivery_id AND (id = :schedule_id OR manual = 0 OR claimed_at IS NULL);

-- What was given up stays so while attempts by hand fail: since when it is, is kept.
-- name: note_attempt(delivery_id, outcome, hint, lost, now)!
UPDATE deliveries
SET last_outcome = :outcome, hint = :hint, updated_at = :now,
    given_up_at = CASE WHEN state IN ('exhausted', 'gone') THEN coalesce(given_up_at, updated_at) END,
    lost = CASE WHEN :lost > 0 THEN 1 ELSE lost END
WHERE id = :delivery_id;

-- name: retry_later(schedule_id, claim_no, next_at, failures, conflicts)
UPDATE delivery_schedule
SET next_at = :next_at, failures = :failures, conflicts = :conflicts, retry = 1, claimed_at = NULL
WHERE id = :schedule_id AND claim_no = :claim_no
RETURNING lane_id;

-- name: set_retrying(delivery_id)!
UPDATE deliveries SET state = 'retrying' WHERE id = :delivery_id AND state = 'waiting';

-- name: end_schedule(schedule_id, claim_no)
DELETE FROM delivery_schedule WHERE id = :schedule_id AND claim_no = :claim_no RETURNING id;

-- What moves a URL to another lane takes the URL first and lanes by their ids, as all do.
-- name: take_destination(destination_id)
SELECT id FROM destinations WHERE id = :destination_id
/*+ FOR NO KEY UPDATE */;

-- name: take_lanes(lane_id, destination_id)
SELECT id FROM lanes
WHERE id IN (:lane_id, (SELECT lane_id FROM destinations WHERE id = :destination_id))
ORDER BY id
/*+ FOR NO KEY UPDATE */;

-- name: destination_lane(destination_id)
SELECT l.id, l.client, l.host, l.destination_id, l.paused_until, l.throttles, l.robot_id
FROM destinations t JOIN lanes l ON l.id = t.lane_id WHERE t.id = :destination_id;

-- name: move_destination(destination_id, lane_id)!
UPDATE destinations SET lane_id = :lane_id WHERE id = :destination_id;

-- What is owed to a destination, and still in a lane that it has left. What others
-- are at, who may wait for the lanes that this step has, is sent home by its next claim.
-- name: stray_deliveries(destination_id, lane_id, after, limit)
SELECT d.id, s.id AS schedule_id, s.retry, s.next_at
FROM deliveries d JOIN delivery_schedule s ON s.delivery_id = d.id
WHERE d.destination_id = :destination_id AND d.state IN ('waiting', 'retrying') AND d.id > :after
    AND s.manual = 0 AND s.lane_id <> :lane_id
ORDER BY d.id LIMIT :limit
/*+ FOR NO KEY UPDATE OF s SKIP LOCKED */;

-- name: move_delivery(schedule_id, lane_id)!
UPDATE delivery_schedule SET lane_id = :lane_id WHERE id = :schedule_id;

-- name: suspect_lane(lane_id, destination_id)
UPDATE lanes SET suspect_id = coalesce(suspect_id, :destination_id) WHERE id = :lane_id
RETURNING suspect_id;

-- name: pause_lane(lane_id, paused_until, throttles)!
UPDATE lanes
SET probing = 1, throttles = :throttles, silences = 0, silent_id = NULL, opened_at = NULL,
    paused_until = CASE WHEN paused_until > :paused_until THEN paused_until ELSE :paused_until END
WHERE id = :lane_id;

-- A lane that was throttled is free at once; one that was silent lets more and more go. The
-- ids stand here twice: a plan that was made among few lanes would read them all.
-- name: calm_lanes(lane_id, destination_id, answered, whole)
WITH uneasy (id) AS (
    SELECT id FROM lanes
    WHERE id IN (:lane_id, (SELECT lane_id FROM destinations WHERE id = :destination_id))
        AND (suspect_id IS NOT NULL OR probing = 1 AND opened_at IS NULL
            OR :answered = 1 AND (probing > 0 OR silences > 0))
    ORDER BY id
    /*+ FOR NO KEY UPDATE */
)
UPDATE lanes
SET suspect_id = NULL, throttles = 0,
    probing = CASE WHEN opened_at IS NULL AND probing = 1 THEN 0
        WHEN :answered = 0 OR probing = 0 THEN probing
        WHEN probing >= :whole THEN 0 ELSE probing + 1 END,
    silences = CASE WHEN :answered = 0 THEN silences ELSE 0 END,
    silent_id = CASE WHEN :answered = 0 THEN silent_id END,
    opened_at = CASE WHEN :answered = 0 THEN opened_at END
WHERE id IN (:lane_id, (SELECT lane_id FROM destinations WHERE id = :destination_id))
    AND id IN (SELECT id FROM uneasy)
RETURNING probing;

-- name: count_silence(destination_id, begun_at)
UPDATE lanes
SET silences = silences + 1,
    silent_id = CASE WHEN silences = 0 OR silent_id = :destination_id THEN :destination_id END
WHERE id = (SELECT lane_id FROM destinations WHERE id = :destination_id)
    AND (opened_at IS NULL OR paused_until <= :begun_at)
RETURNING id, client, host, destination_id, silences, silent_id;

-- name: forget_silence(lane_id)!
UPDATE lanes
SET silences = 0, silent_id = NULL, opened_at = NULL,
    probing = CASE WHEN opened_at IS NULL THEN probing ELSE 0 END
WHERE id = :lane_id;

-- name: open_lane(lane_id, until, silences, now)!
UPDATE lanes
SET probing = 1, silences = :silences, opened_at = coalesce(opened_at, :now),
    paused_until = CASE WHEN paused_until > :until THEN paused_until ELSE :until END
WHERE id = :lane_id;

-- name: other_destination(lane_id, destination_id)
SELECT id FROM destinations WHERE lane_id = :lane_id AND id <> :destination_id LIMIT 1;

-- Of those that have waited longest in a lane, so many at most, the ones that are that old.
-- name: old_deliveries(lane_id, retry, before, limit)
SELECT d.id, s.id AS schedule_id, s.claim_no, u.key
FROM deliveries d JOIN delivery_schedule s ON s.delivery_id = d.id
JOIN subscriptions u ON u.id = d.subscription_id
WHERE d.created_at < :before AND s.id IN (
    SELECT id FROM delivery_schedule
    WHERE lane_id = :lane_id AND retry = :retry AND manual = 0 AND claimed_at IS NULL
    ORDER BY next_at LIMIT :limit)
/*+ FOR NO KEY UPDATE OF d, s SKIP LOCKED */;

-- name: give_up_delivery(delivery_id, state, hint, now)!
UPDATE deliveries SET state = :state, hint = :hint, updated_at = :now, given_up_at = :now
WHERE id = :delivery_id AND state IN ('waiting', 'retrying');

-- Waits for whoever is just subscribing to it, to see when that was.
-- name: lock_destination(destination_id)
SELECT id FROM destinations WHERE id = :destination_id
/*+ FOR UPDATE */;

-- A 410 to an attempt that was begun before somebody asked for this URL anew says nothing
-- of what they asked for.
-- name: close_destination(destination_id, now, begun_at)
UPDATE destinations SET gone_at = :now
WHERE id = :destination_id AND reopened_at <= :begun_at
    AND :begun_at >= coalesce((SELECT created_at FROM subscriptions
        WHERE destination_id = :destination_id ORDER BY id DESC LIMIT 1), 0)
    AND :begun_at >= coalesce((SELECT max(created_at) FROM hooks
        WHERE destination_id = :destination_id AND removed_at IS NULL), 0)
RETURNING id;

-- name: remove_hooks_of(destination_id, now)!
UPDATE hooks SET removed_at = :now, identity = NULL
WHERE destination_id = :destination_id AND removed_at IS NULL;

-- What others are at, who may be told the same and wait for this step, they settle, or the
-- next claim drops it.
-- name: gone_deliveries(destination_id, limit)
SELECT d.id, s.key FROM deliveries d JOIN destinations t ON t.id = d.destination_id
JOIN subscriptions s ON s.id = d.subscription_id
WHERE d.destination_id = :destination_id AND d.state IN ('waiting', 'retrying') AND t.gone_at IS NOT NULL
LIMIT :limit
/*+ FOR NO KEY UPDATE OF d SKIP LOCKED */;

-- name: drop_gone_delivery(delivery_id, now)!
UPDATE deliveries SET state = 'gone', updated_at = :now
WHERE id = :delivery_id AND state IN ('waiting', 'retrying');

-- name: drop_hook_delivery(delivery_id, now)!
UPDATE deliveries SET state = 'stopped', updated_at = :now
WHERE id = :delivery_id AND state IN ('waiting', 'retrying');

-- name: release_claims(now)
UPDATE delivery_schedule SET next_at = :now, claimed_at = NULL
WHERE claimed_at IS NOT NULL
RETURNING delivery_id, lane_id, retry;

-- name: find_delivery(key, sequence, hook, client)
SELECT d.id, d.destination_id, l.host, s.client, l.id AS home_id, l.robot_id, h.removed_at
FROM deliveries d
JOIN subscriptions s ON s.id = d.subscription_id
JOIN destinations t ON t.id = d.destination_id
JOIN lanes l ON l.id = t.lane_id
LEFT JOIN hooks h ON h.id = d.hook_id
WHERE s.key = :key AND d.sequence = :sequence AND coalesce(h.key, '') = :hook
    AND (CAST(:client AS TEXT) IS NULL OR s.client = :client);

-- name: asked_attempt(delivery_id)
SELECT claimed_at FROM delivery_schedule WHERE delivery_id = :delivery_id AND manual = 1;

-- It stands first in its lane, 1e10 seconds before its time, and so before 1970; wherever
-- that time is shown it is as much later.
-- name: ask_attempt(delivery_id, lane_id, at)!
INSERT INTO delivery_schedule (delivery_id, manual, lane_id, retry, next_at)
VALUES (:delivery_id, 1, :lane_id, 0, :at)
ON CONFLICT (delivery_id, manual) DO UPDATE
SET lane_id = excluded.lane_id, retry = 0, next_at = excluded.next_at
WHERE delivery_schedule.next_at > excluded.next_at AND delivery_schedule.claimed_at IS NULL;

-- Replay: what may be attempted once more, oldest first, and is not waiting for that already.
-- It has been in that state since `as_of` or longer: a failed attempt changes nothing of that.
-- Nor has it had its attempt since it began, which has left another state perhaps. A 410
-- that came since then stands.

-- Where one look at them ends.
-- name: edge_of_replays(state, since, after, until, looked)
SELECT created_at, id FROM deliveries
WHERE state = :state AND (created_at, id) > (:since, :after) AND created_at < :until
ORDER BY created_at, id LIMIT 1 OFFSET :looked;

-- name: replays(client, state, host, since, after, until, edge_at, edge, as_of, began_at, limit)
SELECT d.id, d.created_at FROM deliveries d
JOIN subscriptions s ON s.id = d.subscription_id
JOIN destinations t ON t.id = d.destination_id
JOIN lanes l ON l.id = t.lane_id
WHERE d.state = :state AND (d.created_at, d.id) > (:since, :after) AND d.created_at < :until
    AND (d.created_at, d.id) <= (:edge_at, :edge)
    AND s.state <> 'stopped' AND (t.gone_at IS NULL OR t.gone_at <= :began_at)
    AND (CAST(:client AS TEXT) IS NULL OR l.client = :client)
    AND (CAST(:host AS TEXT) IS NULL OR l.host = :host)
    AND NOT EXISTS (SELECT 1 FROM hooks h WHERE h.id = d.hook_id AND h.removed_at IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM delivery_schedule q WHERE q.delivery_id = d.id AND q.manual = 1)
    AND d.created_at <= :as_of
    AND (d.updated_at <= :as_of OR d.given_up_at <= :as_of OR d.state = 'waiting'
        OR d.state IN ('retrying', 'accepted', 'presumed') AND EXISTS (
            SELECT 1 FROM attempts b WHERE b.delivery_id = d.id AND b.finished_at <= :as_of
                AND (b.outcome = d.state OR d.state = 'retrying' AND b.manual = 0)))
    AND (d.updated_at < :began_at OR NOT EXISTS (
        SELECT 1 FROM attempts a
        WHERE a.delivery_id = d.id AND a.manual = 1 AND a.started_at >= :began_at))
ORDER BY d.created_at, d.id LIMIT :limit;

-- name: replays_of_subscription(subscription_id, state, host, since, after, until, as_of, began_at, limit)
SELECT d.id, d.created_at FROM deliveries d
JOIN subscriptions s ON s.id = d.subscription_id
JOIN destinations t ON t.id = d.destination_id
JOIN lanes l ON l.id = t.lane_id
WHERE d.subscription_id = :subscription_id AND (CAST(:state AS TEXT) IS NULL OR d.state = :state)
    AND (d.created_at, d.id) > (:since, :after) AND d.created_at < :until
    AND s.state <> 'stopped' AND (t.gone_at IS NULL OR t.gone_at <= :began_at)
    AND (CAST(:host AS TEXT) IS NULL OR l.host = :host)
    AND NOT EXISTS (SELECT 1 FROM hooks h WHERE h.id = d.hook_id AND h.removed_at IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM delivery_schedule q WHERE q.delivery_id = d.id AND q.manual = 1)
    AND d.created_at <= :as_of
    AND (d.updated_at <= :as_of OR d.given_up_at <= :as_of OR d.state = 'waiting'
        OR d.state IN ('retrying', 'accepted', 'presumed') AND EXISTS (
            SELECT 1 FROM attempts b WHERE b.delivery_id = d.id AND b.finished_at <= :as_of
                AND (b.outcome = d.state OR d.state = 'retrying' AND b.manual = 0)))
    AND (d.updated_at < :began_at OR NOT EXISTS (
        SELECT 1 FROM attempts a
        WHERE a.delivery_id = d.id AND a.manual = 1 AND a.started_at >= :began_at))
ORDER BY d.created_at, d.id LIMIT :limit;

-- `ids` are the keys of a JSON object. What others are at is left out, for it may be in a
-- crowd of which they wait for another.
-- name: take_replays(ids, state, began_at)
SELECT d.id, d.destination_id, l.client, l.host, l.destination_id AS home_of, l.robot_id
FROM json_each(:ids /*+ ::json */) j CROSS JOIN deliveries d
JOIN subscriptions s ON s.id = d.subscription_id
JOIN destinations t ON t.id = d.destination_id
JOIN lanes l ON l.id = t.lane_id
WHERE d.id = CAST(j.key AS BIGINT) AND d.state = :state AND s.state <> 'stopped'
    AND NOT EXISTS (SELECT 1 FROM hooks h WHERE h.id = d.hook_id AND h.removed_at IS NOT NULL)
    AND (d.updated_at < :began_at OR NOT EXISTS (
        SELECT 1 FROM attempts a
        WHERE a.delivery_id = d.id AND a.manual = 1 AND a.started_at >= :began_at))
/*+ FOR NO KEY UPDATE OF d SKIP LOCKED */;

-- name: reopen_replayed(destination_id, began_at)!
UPDATE destinations
SET gone_at = NULL,
    reopened_at = CASE WHEN reopened_at > :began_at THEN reopened_at ELSE :began_at END
WHERE id = :destination_id AND (gone_at IS NULL OR gone_at <= :began_at);

-- name: owe_replays(ids, lane_id, now)
INSERT INTO delivery_schedule (delivery_id, manual, lane_id, retry, next_at)
SELECT CAST(j.key AS BIGINT), 1, CAST(:lane_id AS BIGINT), 1, CAST(:now AS DOUBLE PRECISION)
FROM json_each(:ids /*+ ::json */) j WHERE true
ON CONFLICT (delivery_id, manual) DO NOTHING
RETURNING delivery_id;

-- Durations

-- name: add_durations(provider, model, history, now)!
INSERT INTO durations (provider, model, history, updated_at) VALUES (:provider, :model, :history, :now)
ON CONFLICT (provider, model) DO NOTHING;

-- name: known_durations(provider, model)
SELECT history FROM durations WHERE provider = :provider AND model = :model
/*+ FOR NO KEY UPDATE */;

-- name: set_durations(provider, model, history, now)!
UPDATE durations SET history = :history, updated_at = :now WHERE provider = :provider AND model = :model;

-- name: drop_durations(provider, model)!
DELETE FROM durations WHERE provider = :provider AND model = :model;

-- Those of all models of a provider stay.
-- name: prune_durations(before)!
DELETE FROM durations WHERE updated_at < :before AND model <> '';

-- name: new_durations(since)
SELECT provider, model, history FROM durations WHERE updated_at >= :since;

-- Read

-- name: page_of_task(client, task_id, state, status, outcome, provider, before, limit)
SELECT s.id FROM watches w JOIN subscriptions s ON s.watch_id = w.id
WHERE w.task_id = :task_id AND s.id < :before
    AND (CAST(:client AS TEXT) IS NULL OR s.client = :client)
    AND (CAST(:state AS TEXT) IS NULL OR s.state = :state)
    AND (CAST(:status AS TEXT) IS NULL OR CASE WHEN s.state = 'ended' THEN s.status ELSE w.status END = :status)
    AND (CAST(:outcome AS TEXT) IS NULL OR s.outcome = :outcome)
    AND (CAST(:provider AS TEXT) IS NULL OR w.provider = :provider)
ORDER BY s.id DESC LIMIT :limit;

-- name: page_of_client(client, status, outcome, provider, before, limit)
SELECT s.id FROM subscriptions s JOIN watches w ON w.id = s.watch_id
WHERE s.client = :client AND s.id < :before
    AND (CAST(:status AS TEXT) IS NULL OR CASE WHEN s.state = 'ended' THEN s.status ELSE w.status END = :status)
    AND (CAST(:outcome AS TEXT) IS NULL OR s.outcome = :outcome)
    AND (CAST(:provider AS TEXT) IS NULL OR w.provider = :provider)
ORDER BY s.id DESC LIMIT :limit;

-- name: page_of_client_state(client, state, status, outcome, provider, before, limit)
SELECT s.id FROM subscriptions s JOIN watches w ON w.id = s.watch_id
WHERE s.client = :client AND s.state = :state AND s.id < :before
    AND (CAST(:status AS TEXT) IS NULL OR CASE WHEN s.state = 'ended' THEN s.status ELSE w.status END = :status)
    AND (CAST(:outcome AS TEXT) IS NULL OR s.outcome = :outcome)
    AND (CAST(:provider AS TEXT) IS NULL OR w.provider = :provider)
ORDER BY s.id DESC LIMIT :limit;

-- name: page_of_all(state, status, outcome, provider, before, limit)
SELECT s.id FROM subscriptions s JOIN watches w ON w.id = s.watch_id
WHERE s.id < :before AND s.client <> ''
    AND (CAST(:state AS TEXT) IS NULL OR s.state = :state)
    AND (CAST(:status AS TEXT) IS NULL OR CASE WHEN s.state = 'ended' THEN s.status ELSE w.status END = :status)
    AND (CAST(:outcome AS TEXT) IS NULL OR s.outcome = :outcome)
    AND (CAST(:provider AS TEXT) IS NULL OR w.provider = :provider)
ORDER BY s.id DESC LIMIT :limit;

-- name: view_subscription(subscription_id)
SELECT s.id, s.key, s.client, s.events, s.state, s.outcome, s.created_at, s.deadline_at, s.finished_at,
    s.sealed, s.destination_id, t.sealed AS destination, t.gone_at, w.provider, w.task_id,
    CASE WHEN s.state = 'ended' THEN s.status ELSE w.status END AS status,
    w.progress, w.outcome AS poll_outcome, w.http_status, w.detail,
    w.outcome_since, w.outcome_from, w.polls, w.polled_at AS last_polled_at, w.seen, p.next_at, p.claim_no,
    p.polled_at, c.paused_until, e.body AS event, s.updates
FROM subscriptions s
JOIN watches w ON w.id = s.watch_id
JOIN credentials c ON c.id = w.credential_id
LEFT JOIN poll_schedule p ON p.watch_id = w.id
LEFT JOIN destinations t ON t.id = s.destination_id
LEFT JOIN events e ON e.subscription_id = s.id AND e.sequence = 0
WHERE s.id = :subscription_id;

-- The end's delivery if there is one, else the newest update's.
-- name: newest_delivery(subscription_id)
SELECT d.sequence, d.state, d.attempts, d.last_outcome, d.hint, l.opened_at, l.paused_until,
    (SELECT min(CASE WHEN next_at < 0 THEN next_at + 1e10 ELSE next_at END) FROM delivery_schedule
     WHERE delivery_id = d.id AND claimed_at IS NULL) AS next_at
FROM deliveries d
JOIN destinations t ON t.id = d.destination_id
JOIN lanes l ON l.id = t.lane_id
WHERE d.subscription_id = :subscription_id AND d.hook_id = 0
ORDER BY CASE WHEN d.sequence = 0 THEN 0 ELSE 1 END, d.sequence DESC LIMIT 1;

-- Where filters are looked for no further: the neighbours of who has little may have much.
-- name: edge_of_deliveries(before, looked)
SELECT id, created_at FROM deliveries WHERE id < :before ORDER BY id DESC LIMIT 1 OFFSET :looked;

-- name: page_of_deliveries(client, host, since, until, edge, before, limit)
SELECT d.id FROM deliveries d
JOIN destinations t ON t.id = d.destination_id
JOIN lanes l ON l.id = t.lane_id
WHERE d.id < :before AND d.id >= :edge
    AND (CAST(:client AS TEXT) IS NULL OR l.client = :client)
    AND (CAST(:host AS TEXT) IS NULL OR l.host = :host)
    AND (CAST(:since AS DOUBLE PRECISION) IS NULL OR d.created_at >= :since)
    AND (CAST(:until AS DOUBLE PRECISION) IS NULL OR d.created_at < :until)
ORDER BY d.id DESC LIMIT :limit;

-- name: edge_of_state(state, since, at, before, top, looked)
SELECT created_at, id FROM deliveries
WHERE state = :state AND created_at >= :since AND (created_at, id) < (:at, :before) AND id < :top
ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET :looked;

-- name: page_of_state(client, state, host, since, edge, at, before, top, limit)
SELECT d.id FROM deliveries d
JOIN destinations t ON t.id = d.destination_id
JOIN lanes l ON l.id = t.lane_id
WHERE d.state = :state AND (d.created_at, d.id) >= (:since, :edge)
    AND (d.created_at, d.id) < (:at, :before) AND d.id < :top
    AND (CAST(:client AS TEXT) IS NULL OR l.client = :client)
    AND (CAST(:host AS TEXT) IS NULL OR l.host = :host)
ORDER BY d.created_at DESC, d.id DESC LIMIT :limit;

-- name: made_at(delivery_id)
SELECT created_at FROM deliveries WHERE id = :delivery_id;

-- name: page_of_subscription(subscription_id, state, host, since, until, before, limit)
SELECT d.id FROM deliveries d
JOIN destinations t ON t.id = d.destination_id
JOIN lanes l ON l.id = t.lane_id
WHERE d.subscription_id = :subscription_id AND d.id < :before
    AND (CAST(:state AS TEXT) IS NULL OR d.state = :state)
    AND (CAST(:host AS TEXT) IS NULL OR l.host = :host)
    AND (CAST(:since AS DOUBLE PRECISION) IS NULL OR d.created_at >= :since)
    AND (CAST(:until AS DOUBLE PRECISION) IS NULL OR d.created_at < :until)
ORDER BY d.id DESC LIMIT :limit;

-- name: view_delivery(delivery_id)
SELECT d.id, d.sequence, d.state, d.attempts, d.last_outcome, d.hint, d.created_at, d.updated_at,
    CASE WHEN d.state IN ('exhausted', 'gone') THEN coalesce(d.given_up_at, d.updated_at) END AS given_up_at,
    (SELECT http_status FROM attempts WHERE delivery_id = d.id AND finished_at IS NOT NULL
     ORDER BY number DESC LIMIT 1) AS last_http_status,
    s.key, h.key AS hook, s.client, e.type, t.sealed AS destination, l.host, l.opened_at, l.paused_until,
    (SELECT min(CASE WHEN next_at < 0 THEN next_at + 1e10 ELSE next_at END) FROM delivery_schedule
     WHERE delivery_id = d.id AND claimed_at IS NULL) AS next_at
FROM deliveries d
JOIN subscriptions s ON s.id = d.subscription_id
JOIN events e ON e.subscription_id = d.subscription_id AND e.sequence = d.sequence
JOIN destinations t ON t.id = d.destination_id
JOIN lanes l ON l.id = t.lane_id
LEFT JOIN hooks h ON h.id = d.hook_id
WHERE d.id = :delivery_id;

-- The newest, which somebody may have made very many of.
-- name: attempts(delivery_id, limit)
SELECT number, manual, started_at, finished_at, outcome, http_status, detail, hint, answer
FROM attempts WHERE delivery_id = :delivery_id ORDER BY number DESC LIMIT :limit;

-- name: credential_state(fingerprint)
SELECT provider, paused_until, throttles, throttled_at, worked_at, refused_at, probes
FROM credentials WHERE fingerprint = :fingerprint;

-- name: credential_states()
SELECT id, provider, fingerprint, paused_until, throttles, throttled_at, worked_at, refused_at, probes
FROM credentials;

-- name: count_active(client)
SELECT count(*) AS active FROM subscriptions WHERE client = :client AND state = 'active';

-- name: active_counts()
SELECT client, count(*) AS active FROM subscriptions WHERE state = 'active' GROUP BY client;

-- One step for each client, and one look whether it has anything active.
-- name: active_clients()
WITH RECURSIVE owner (name) AS (
    SELECT min(client) FROM subscriptions
    UNION ALL
    SELECT (SELECT min(client) FROM subscriptions WHERE client > owner.name)
    FROM owner WHERE owner.name IS NOT NULL
)
SELECT name AS client FROM owner
WHERE EXISTS (SELECT 1 FROM subscriptions WHERE client = owner.name AND state = 'active');

-- name: polled_providers()
SELECT DISTINCT provider FROM credentials c
WHERE EXISTS (SELECT 1 FROM poll_schedule p WHERE p.credential_id = c.id);

-- name: owing_clients()
SELECT DISTINCT l.client FROM delivery_schedule q JOIN lanes l ON l.id = q.lane_id
WHERE l.client <> '';

-- A receiver that lets its deliveries wait makes none of them late.
-- name: backlog(now)
SELECT (SELECT count(*) FROM poll_schedule) AS watches,
    (SELECT count(*) FROM poll_schedule WHERE credential_id IN (
        SELECT id FROM credentials WHERE paused_until > :now)) AS paused,
    (SELECT count(*) FROM delivery_schedule) AS deliveries,
    (SELECT min(CASE WHEN s.next_at >= 0 AND l.paused_until > s.next_at THEN l.paused_until
         WHEN s.next_at >= 0 THEN s.next_at
         WHEN l.paused_until > s.next_at + 1e10 THEN l.paused_until ELSE s.next_at + 1e10 END)
     FROM delivery_schedule s JOIN lanes l ON l.id = s.lane_id
     WHERE s.next_at <= :now AND (s.manual = 0 OR s.retry = 0)
         AND l.paused_until <= :now AND l.probing = 0 AND l.opened_at IS NULL) AS oldest_delivery_at,
    (SELECT min(next_at) FROM poll_schedule
     WHERE next_at <= :now AND closing_at IS NULL) AS oldest_poll_at,
    (SELECT count(*) FROM deliveries WHERE state = 'exhausted') AS exhausted,
    (SELECT count(*) FROM (
        SELECT DISTINCT client, host FROM lanes WHERE opened_at IS NOT NULL AND destination_id >= 0
            AND (first_at IS NOT NULL OR retry_at IS NOT NULL)) h) AS silent_hosts;

-- Pages: what they show beside the lists. Each reads a bounded number of rows.

-- name: updates_of(subscription_id, limit)
SELECT sequence, at, body FROM events
WHERE subscription_id = :subscription_id AND sequence > 0
ORDER BY sequence DESC LIMIT :limit;

-- name: active_of_client(client, limit)
SELECT a.provider, count(*) AS active FROM (
    SELECT w.provider FROM subscriptions s JOIN watches w ON w.id = s.watch_id
    WHERE s.client = :client AND s.state = 'active' LIMIT :limit) a
GROUP BY a.provider;

-- name: active_of_all(limit)
SELECT a.provider, count(*) AS active FROM (
    SELECT c.provider FROM poll_schedule p JOIN credentials c ON c.id = p.credential_id
    LIMIT :limit) a
GROUP BY a.provider;

-- name: recent_ends(since, until, limit)
SELECT id, finished_at, outcome FROM subscriptions
WHERE state <> 'active' AND finished_at >= :since AND finished_at <= :until AND outcome IS NOT NULL
ORDER BY finished_at DESC LIMIT :limit;

-- Of one client by when they were made: an index on ends would be paid for at each of them.
-- name: recent_ends_of(client, limit)
SELECT id, finished_at, outcome FROM subscriptions
WHERE client = :client AND state = 'ended' ORDER BY id DESC LIMIT :limit;

-- name: lags(ids)
SELECT e.at, w.answer, w.ended_at,
    (SELECT min(a.finished_at) FROM deliveries d JOIN attempts a ON a.delivery_id = d.id
     WHERE d.subscription_id = e.subscription_id AND d.sequence = 0 AND d.hook_id = 0
        AND a.outcome = 'accepted') AS accepted_at
FROM json_each(:ids /*+ ::json */) j CROSS JOIN subscriptions s
JOIN watches w ON w.id = s.watch_id
JOIN events e ON e.subscription_id = s.id AND e.sequence = 0
WHERE s.id = CAST(j.key AS BIGINT);

-- Hosts by the lanes that were opened last.
-- name: silent_hosts(client, limit)
SELECT l.client, l.host, count(*) AS lanes, sum(l.silences) AS silences,
    min(l.opened_at) AS opened_at, min(l.paused_until) AS paused_until
FROM (SELECT client, host, silences, opened_at, paused_until FROM lanes
      WHERE opened_at IS NOT NULL AND destination_id >= 0
          AND (first_at IS NOT NULL OR retry_at IS NOT NULL)
          AND (CAST(:client AS TEXT) IS NULL OR client = :client)
      ORDER BY opened_at DESC LIMIT :limit) l
GROUP BY l.client, l.host
ORDER BY min(l.opened_at) DESC, l.client, l.host;

-- Hosts by the newest deliveries of that state, whosesoever they are.
-- name: troubled_hosts(client, state, limit)
SELECT g.client, g.host, g.deliveries, g.since, n.last_outcome, n.hint,
    (SELECT http_status FROM attempts WHERE delivery_id = g.newest AND finished_at IS NOT NULL
     ORDER BY number DESC LIMIT 1) AS http_status
FROM (
    SELECT f.client, f.host, count(*) AS deliveries, min(f.created_at) AS since, max(f.id) AS newest
    FROM (
        SELECT d.id, d.created_at, l.client, l.host
        FROM (SELECT id, created_at, destination_id FROM deliveries WHERE state = :state
              ORDER BY created_at DESC, id DESC LIMIT :limit) d
        JOIN destinations t ON t.id = d.destination_id
        JOIN lanes l ON l.id = t.lane_id
        WHERE CAST(:client AS TEXT) IS NULL OR l.client = :client) f
    GROUP BY f.client, f.host) g
JOIN deliveries n ON n.id = g.newest
ORDER BY g.deliveries DESC, g.newest DESC;

-- name: refused_keys(client)
SELECT c.provider, count(*) AS refused, min(c.refused_at) AS since FROM credentials c
WHERE c.own = 1 AND c.probes > 0 AND EXISTS (
    SELECT 1 FROM poll_schedule p JOIN subscriptions s ON s.watch_id = p.watch_id
    WHERE p.credential_id = c.id AND s.state = 'active'
        AND (CAST(:client AS TEXT) IS NULL OR s.client = :client))
GROUP BY c.provider ORDER BY c.provider;

-- Of the newest, whosesoever they are.
-- name: count_exhausted(client, limit)
SELECT count(*) AS seen,
    sum(CASE WHEN CAST(:client AS TEXT) IS NULL OR l.client = :client THEN 1 ELSE 0 END) AS exhausted
FROM (SELECT destination_id FROM deliveries WHERE state = 'exhausted'
      ORDER BY created_at DESC, id DESC LIMIT :limit) d
JOIN destinations t ON t.id = d.destination_id
JOIN lanes l ON l.id = t.lane_id;

-- Sweep: what must not exist

-- name: unwatched_subscriptions(limit)
SELECT s.id, s.client, s.watch_id, s.events, s.include_raw, w.polls, w.created_at FROM subscriptions s
JOIN watches w ON w.id = s.watch_id
WHERE s.state = 'active' AND w.untold = 0 AND (w.ended_at IS NOT NULL OR NOT EXISTS (
    SELECT 1 FROM poll_schedule p WHERE p.watch_id = s.watch_id))
LIMIT :limit;

-- name: unchecked_subscriptions(limit)
SELECT id, deadline_at FROM subscriptions WHERE state = 'active' AND check_at IS NULL LIMIT :limit;

-- Of hooks nobody can tell later which there were then; they are told with the end.
-- name: untold_ends(limit)
SELECT s.id, s.finished_at, s.destination_id, s.events, t.lane_id, t.gone_at, e.type
FROM subscriptions s
JOIN events e ON e.subscription_id = s.id AND e.sequence = 0
JOIN destinations t ON t.id = s.destination_id
WHERE s.state = 'ended' AND NOT EXISTS (
    SELECT 1 FROM deliveries d WHERE d.subscription_id = s.id AND d.sequence = 0 AND d.hook_id = 0)
LIMIT :limit;

-- name: unscheduled_deliveries(limit)
SELECT d.id, d.state, t.lane_id FROM deliveries d JOIN destinations t ON t.id = d.destination_id
WHERE d.state IN ('waiting', 'retrying') AND NOT EXISTS (
    SELECT 1 FROM delivery_schedule q WHERE q.delivery_id = d.id AND q.manual = 0)
LIMIT :limit;

-- SQLite has one writer, and needs no foreign key against it.
-- name: laneless_attempts(limit)
SELECT q.id, q.retry, q.next_at, t.lane_id FROM delivery_schedule q
JOIN deliveries d ON d.id = q.delivery_id
JOIN destinations t ON t.id = d.destination_id
WHERE NOT EXISTS (SELECT 1 FROM lanes l WHERE l.id = q.lane_id)
LIMIT :limit;

-- Keys of callers' own that no task needs any more.
-- name: unused_keys(limit)
SELECT c.id FROM credentials c
WHERE c.own = 1 AND c.sealed IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM poll_schedule p WHERE p.credential_id = c.id)
LIMIT :limit;

-- name: idle_schedules(limit)
SELECT p.watch_id FROM poll_schedule p
WHERE NOT EXISTS (SELECT 1 FROM subscriptions s WHERE s.watch_id = p.watch_id AND s.state = 'active')
LIMIT :limit;

-- name: late_credentials(limit)
SELECT c.id, p.at FROM credentials c
JOIN (SELECT credential_id, min(next_at) AS at FROM poll_schedule GROUP BY credential_id) p
    ON p.credential_id = c.id
WHERE c.due_at IS NULL OR c.due_at > p.at LIMIT :limit;

-- name: late_lanes(limit)
SELECT l.id, q.retry, q.at FROM lanes l
JOIN (SELECT lane_id, retry, min(next_at) AS at FROM delivery_schedule GROUP BY lane_id, retry) q
    ON q.lane_id = l.id
WHERE CASE WHEN q.retry = 0 THEN l.first_at IS NULL OR l.first_at > q.at
    ELSE l.retry_at IS NULL OR l.retry_at > q.at END
LIMIT :limit;

-- Notices: what the operator is told of. They are events of a subscription that nobody made,
-- of the client '', which was stopped before it began and never gets old; where they go is
-- that client's hook.

-- name: notice_owner()
SELECT id, key FROM subscriptions WHERE client = '';

-- name: add_notice_owner(key, watch_id, now)!
INSERT INTO subscriptions
    (key, client, watch_id, events, method, format, include_raw, state, created_at, deadline_at, finished_at)
VALUES (:key, '', :watch_id, '', 'POST', 'standard', 0, 'stopped', :now, :now, 1e300);

-- name: remove_other_hooks(client, hook_id, now)!
UPDATE hooks SET removed_at = :now, identity = NULL
WHERE client = :client AND removed_at IS NULL AND id <> :hook_id;

-- By client, so that what one has lost hides no other's: how many, and the newest. The state
-- is looked at last: an index finds those of a time among all of a state as well.
-- name: exhausted_since(since, until)
WITH lost (client, count, newest) AS (
    SELECT l.client, count(*), max(d.id) FROM deliveries d
    JOIN destinations t ON t.id = d.destination_id
    JOIN lanes l ON l.id = t.lane_id
    WHERE d.state || '' = 'exhausted' AND d.given_up_at >= :since AND d.given_up_at < :until AND l.client <> ''
    GROUP BY l.client
)
SELECT lost.client, lost.count, d.sequence, s.key, h.key AS hook, l.host
FROM lost
JOIN deliveries d ON d.id = lost.newest
JOIN subscriptions s ON s.id = d.subscription_id
JOIN destinations t ON t.id = d.destination_id
JOIN lanes l ON l.id = t.lane_id
LEFT JOIN hooks h ON h.id = d.hook_id
ORDER BY lost.client;

-- name: gone_since(since, until)
WITH lost (client, count, newest) AS (
    SELECT l.client, count(*), max(t.id) FROM destinations t JOIN lanes l ON l.id = t.lane_id
    WHERE t.gone_at >= :since AND t.gone_at < :until AND l.client <> ''
    GROUP BY l.client
)
SELECT lost.client, lost.count, l.host
FROM lost
JOIN destinations t ON t.id = lost.newest
JOIN lanes l ON l.id = t.lane_id
ORDER BY lost.client;

-- name: old_notices(before, limit)
SELECT e.subscription_id, e.sequence FROM subscriptions s JOIN events e ON e.subscription_id = s.id
WHERE s.client = '' AND e.at < :before AND NOT EXISTS (
    SELECT 1 FROM deliveries d JOIN delivery_schedule q ON q.delivery_id = d.id
    WHERE d.subscription_id = e.subscription_id AND d.sequence = e.sequence)
LIMIT :limit;

-- name: delete_notice_attempts(subscription_id, sequence)!
DELETE FROM attempts WHERE delivery_id IN (
    SELECT id FROM deliveries WHERE subscription_id = :subscription_id AND sequence = :sequence);

-- name: delete_notice_deliveries(subscription_id, sequence)!
DELETE FROM deliveries WHERE subscription_id = :subscription_id AND sequence = :sequence;

-- name: delete_notice(subscription_id, sequence)!
DELETE FROM events WHERE subscription_id = :subscription_id AND sequence = :sequence;

-- Live: what was added of late, in the order of its time, a page at a time. All of it is in
-- the index, for it is read again and again.
-- name: new_events(at, subscription_id, sequence, limit)
SELECT at, subscription_id, sequence FROM events
WHERE (at, subscription_id, sequence) > (:at, :subscription_id, :sequence)
ORDER BY at, subscription_id, sequence LIMIT :limit;

-- name: clients_of(ids)
SELECT s.id, s.client FROM json_each(:ids /*+ ::json */) j CROSS JOIN subscriptions s
WHERE s.id = CAST(j.key AS BIGINT);

-- name: event_body(subscription_id, sequence)
SELECT body FROM events WHERE subscription_id = :subscription_id AND sequence = :sequence;

-- Prune: what is finished and old

-- name: old_subscriptions(before, limit)
SELECT s.id, s.watch_id, w.credential_id, s.destination_id, t.lane_id FROM subscriptions s
JOIN watches w ON w.id = s.watch_id
LEFT JOIN destinations t ON t.id = s.destination_id
WHERE s.state <> 'active' AND s.finished_at < :before AND NOT EXISTS (
    SELECT 1 FROM deliveries d JOIN delivery_schedule q ON q.delivery_id = d.id
    WHERE d.subscription_id = s.id)
LIMIT :limit;

-- name: delete_attempts(subscription_id)!
DELETE FROM attempts
WHERE delivery_id IN (SELECT id FROM deliveries WHERE subscription_id = :subscription_id);

-- name: delete_deliveries(subscription_id)!
DELETE FROM deliveries WHERE subscription_id = :subscription_id;

-- name: delete_events(subscription_id)!
DELETE FROM events WHERE subscription_id = :subscription_id;

-- name: delete_subscription(subscription_id)!
DELETE FROM subscriptions WHERE id = :subscription_id AND state <> 'active';

-- name: delete_watch(watch_id)!
DELETE FROM watches WHERE id = :watch_id
    AND NOT EXISTS (SELECT 1 FROM subscriptions WHERE watch_id = :watch_id)
    AND NOT EXISTS (SELECT 1 FROM poll_schedule WHERE watch_id = :watch_id);

-- name: delete_destination(destination_id)!
DELETE FROM destinations WHERE id = :destination_id
    AND NOT EXISTS (SELECT 1 FROM subscriptions WHERE destination_id = :destination_id)
    AND NOT EXISTS (SELECT 1 FROM hooks WHERE destination_id = :destination_id);

-- name: delete_credential(credential_id)!
DELETE FROM credentials WHERE id = :credential_id
    AND NOT EXISTS (SELECT 1 FROM watches WHERE credential_id = :credential_id);

-- name: delete_lane(lane_id)!
DELETE FROM lanes WHERE id IN (
    SELECT o.id FROM lanes l JOIN lanes o ON o.client = l.client AND o.host = l.host
    WHERE l.id = :lane_id AND NOT EXISTS (SELECT 1 FROM destinations WHERE lane_id = o.id)
        AND NOT EXISTS (SELECT 1 FROM delivery_schedule WHERE lane_id = o.id));

-- name: delete_robots()!
DELETE FROM robots WHERE NOT EXISTS (SELECT 1 FROM lanes WHERE robot_id = robots.id);

-- name: forget_answers(now, limit)
UPDATE watches SET answer = NULL, memory_until = NULL WHERE id IN (
    SELECT id FROM watches WHERE memory_until < :now AND untold = 0 LIMIT :limit) RETURNING id;

-- name: forget_keys(before, limit)
DELETE FROM idempotency WHERE (client, route, key) IN (
    SELECT client, route, key FROM idempotency WHERE created_at < :before LIMIT :limit)
RETURNING subscription_key;

-- name: old_hooks(before, limit)
SELECT h.id, h.destination_id, t.lane_id
FROM hooks h JOIN destinations t ON t.id = h.destination_id
WHERE h.removed_at < :before AND NOT EXISTS (
    SELECT 1 FROM deliveries d WHERE d.hook_id = h.id AND d.hook_id <> 0)
LIMIT :limit;

-- name: delete_hook(hook_id)!
DELETE FROM hooks WHERE id = :hook_id;

-- Rekey: each column of sealed bytes, in the order of its key. Single keys have no sequence.

-- name: sealed_credentials(after, sequence, limit)
SELECT id, CAST(:sequence AS BIGINT) AS sequence, sealed AS sealed FROM credentials
WHERE id > :after AND sealed IS NOT NULL ORDER BY id LIMIT :limit;

-- name: reseal_credential(id, sequence, sealed)!
UPDATE credentials SET sealed = :sealed WHERE id = :id AND CAST(:sequence AS BIGINT) IS NOT NULL;

-- name: sealed_destinations(after, sequence, limit)
SELECT id, CAST(:sequence AS BIGINT) AS sequence, sealed AS sealed FROM destinations
WHERE id > :after AND sealed IS NOT NULL ORDER BY id LIMIT :limit;

-- name: reseal_destination(id, sequence, sealed)!
UPDATE destinations SET sealed = :sealed WHERE id = :id AND CAST(:sequence AS BIGINT) IS NOT NULL;

-- name: sealed_subscriptions(after, sequence, limit)
SELECT id, CAST(:sequence AS BIGINT) AS sequence, sealed AS sealed FROM subscriptions
WHERE id > :after AND sealed IS NOT NULL ORDER BY id LIMIT :limit;

-- name: reseal_subscription(id, sequence, sealed)!
UPDATE subscriptions SET sealed = :sealed WHERE id = :id AND CAST(:sequence AS BIGINT) IS NOT NULL;

-- name: sealed_hooks(after, sequence, limit)
SELECT id, CAST(:sequence AS BIGINT) AS sequence, sealed AS sealed FROM hooks
WHERE id > :after ORDER BY id LIMIT :limit;

-- name: reseal_hook(id, sequence, sealed)!
UPDATE hooks SET sealed = :sealed WHERE id = :id AND CAST(:sequence AS BIGINT) IS NOT NULL;

-- name: sealed_answers(after, sequence, limit)
SELECT id, CAST(:sequence AS BIGINT) AS sequence, answer AS sealed FROM watches
WHERE id > :after AND answer IS NOT NULL ORDER BY id LIMIT :limit;

-- name: reseal_answer(id, sequence, sealed)!
UPDATE watches SET answer = :sealed WHERE id = :id AND CAST(:sequence AS BIGINT) IS NOT NULL;

-- name: sealed_events(after, sequence, limit)
SELECT subscription_id AS id, sequence AS sequence, body AS sealed FROM events
WHERE (subscription_id, sequence) > (:after, :sequence) AND body IS NOT NULL
ORDER BY subscription_id, sequence LIMIT :limit;

-- name: reseal_event(id, sequence, sealed)!
UPDATE events SET body = :sealed WHERE subscription_id = :id AND sequence = :sequence;

-- name: sealed_attempts(after, sequence, limit)
SELECT delivery_id AS id, number AS sequence, answer AS sealed FROM attempts
WHERE (delivery_id, number) > (:after, :sequence) AND answer IS NOT NULL
ORDER BY delivery_id, number LIMIT :limit;

-- name: reseal_attempt(id, sequence, sealed)!
UPDATE attempts SET answer = :sealed WHERE delivery_id = :id AND number = :sequence;
