// Proves webhooks (Standard Webhooks) with nothing but Node itself.
import { createHmac, timingSafeEqual } from "node:crypto";

const TOLERANCE_S = 300;
const REMEMBERED = 10_000;
const KEY_BYTES_LEAST = 24;

// whsec_…, the new and the old one during a change. An empty one would let anybody in.
const keys = process.env.WEBHOOK_SECRETS.split(" ")
  .map((secret) => Buffer.from(secret.replace(/^whsec_/, ""), "base64"))
  .filter((key) => key.length >= KEY_BYTES_LEAST);
const known = new Set(); // in earnest: a table with a unique column

// Whether `body`, a Buffer as it arrived, was sent by your bridge just now.
export function proven(id, timestamp, signatures, body) {
  if (!id || !/^[0-9]{1,12}$/.test(timestamp ?? "")) return false;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_S) return false;
  let good = false;
  for (const part of (signatures ?? "").split(" ").slice(0, 16)) {
    const [version, text = ""] = part.split(",");
    const theirs = Buffer.from(text, "base64");
    for (const key of keys) {
      const ours = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
      const equal = theirs.length === ours.length && timingSafeEqual(theirs, ours);
      good = (version === "v1" && equal) || good;
    }
  }
  return good;
}

// Whether this event comes for the first time; the same one may come again.
export function isNew(id) {
  if (known.has(id)) return false;
  known.add(id);
  if (known.size > REMEMBERED) known.delete(known.values().next().value);
  return true;
}
