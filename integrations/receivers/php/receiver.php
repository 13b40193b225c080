<?php
// A receiver in PHP: WEBHOOK_SECRETS=whsec_… php -S 127.0.0.1:8000 receiver.php
declare(strict_types=1);

const TOLERANCE_S = 300;
const KEY_BYTES_LEAST = 24;

$body = file_get_contents('php://input');
$id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
$timestamp = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
$signatures = $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '';

// Whether the body, as it arrived, was sent by your bridge just now.
function proven(string $id, string $timestamp, string $signatures, string $body): bool
{
    if ($id === '' || !preg_match('/^[0-9]{1,12}\z/', $timestamp)
        || abs(time() - (int) $timestamp) > TOLERANCE_S) {
        return false;
    }
    $good = false;
    foreach (explode(' ', (string) getenv('WEBHOOK_SECRETS')) as $secret) {
        $key = base64_decode(preg_replace('/^whsec_/', '', $secret));
        if (strlen($key) < KEY_BYTES_LEAST) {
            continue; // an empty one would let anybody in
        }
        $ours = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
        foreach (array_slice(explode(' ', $signatures), 0, 16) as $theirs) {
            $good = hash_equals($ours, $theirs) || $good;
        }
    }
    return $good;
}

// Whether this event comes for the first time. In earnest: a table with a unique column.
function is_new(string $id): bool
{
    $place = sys_get_temp_dir() . '/webhook-' . hash('sha256', $id);
    return @fopen($place, 'x') !== false;
}

if (!proven($id, $timestamp, $signatures, $body)) {
    http_response_code(401);
    exit;
}
http_response_code(204);
if (is_new($id)) {
    $event = json_decode($body, true);
    // Hand what takes long to a queue: the bridge waits for the answer.
    file_put_contents('php://stdout', "{$event['type']} {$event['data']['task_id']}\n");
}
