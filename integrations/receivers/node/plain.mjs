// A receiver without packages: WEBHOOK_SECRETS=whsec_… PORT=8000 node plain.mjs
import { createServer } from "node:http";
import { isNew, proven } from "./proof.mjs";

createServer(async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const body = Buffer.concat(pieces);
  const id = request.headers["webhook-id"];
  const good = proven(
    id, request.headers["webhook-timestamp"], request.headers["webhook-signature"], body,
  );
  response.writeHead(good ? 204 : 401).end();
  if (good && isNew(id)) work(JSON.parse(body));
}).listen(Number(process.env.PORT), "127.0.0.1", () => console.log("listening"));

// Runs after the answer.
function work(event) {
  console.log(event.type, event.data.task_id);
}
