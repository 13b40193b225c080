// A receiver with Express: WEBHOOK_SECRETS=whsec_… PORT=8000 node express.mjs
import express from "express";
import { isNew, proven } from "./proof.mjs";

const app = express();

// raw, not json: the signature is over the bytes as they arrived.
app.post("/webhook", express.raw({ type: "*/*", limit: "1mb" }), (request, response) => {
  const id = request.get("webhook-id");
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const good = proven(
    id, request.get("webhook-timestamp"), request.get("webhook-signature"), body,
  );
  response.status(good ? 204 : 401).end();
  if (good && isNew(id)) work(JSON.parse(body));
});

// Runs after the answer.
function work(event) {
  console.log(event.type, event.data.task_id);
}

app.listen(Number(process.env.PORT), "127.0.0.1", () => console.log("listening"));
