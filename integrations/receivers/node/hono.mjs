// A receiver with Hono: WEBHOOK_SECRETS=whsec_… PORT=8000 node hono.mjs
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { isNew, proven } from "./proof.mjs";

const app = new Hono();

app.post("/webhook", async (c) => {
  const body = Buffer.from(await c.req.arrayBuffer());
  const id = c.req.header("webhook-id");
  const good = proven(
    id, c.req.header("webhook-timestamp"), c.req.header("webhook-signature"), body,
  );
  if (!good) return c.body(null, 401);
  if (isNew(id)) setImmediate(work, JSON.parse(body));
  return c.body(null, 204);
});

// Runs after the answer.
function work(event) {
  console.log(event.type, event.data.task_id);
}

serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(process.env.PORT) }, () =>
  console.log("listening"),
);
