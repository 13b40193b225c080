"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");

const app = require("..");
const { addKey, refuse } = require("../middleware");

const authData = { base_url: "https://bridge.example.com/base/ ", api_key: "k" };

/** Stands for Zapier: keeps what is asked, and answers with `data`. */
const zapier = (data) => {
  const asked = [];
  class ThrottledError extends Error {
    constructor(message, delay) {
      super(message);
      this.delay = delay;
    }
  }
  class AppError extends Error {
    constructor(message, code, status) {
      super(message);
      Object.assign(this, { code, status });
    }
  }
  return {
    asked,
    errors: { Error: AppError, ThrottledError },
    request: async (options) => {
      asked.push(options);
      return { status: 200, data };
    },
  };
};

const answer = (status, content, headers = {}) => ({
  status,
  content,
  getHeader: (name) => headers[name],
});

const trigger = app.triggers.task_ended.operation;

test("subscribing makes a hook, and what comes back is enough to remove it", async () => {
  const z = zapier({ id: "hook_a" });
  const bundle = { authData, inputData: {}, targetUrl: "https://hooks.zapier.com/1" };
  const subscribeData = await trigger.performSubscribe(z, bundle);
  await trigger.performUnsubscribe(z, { authData, inputData: {}, subscribeData });
  assert.deepEqual(z.asked, [
    {
      url: "https://bridge.example.com/base/hooks",
      method: "POST",
      body: {
        url: "https://hooks.zapier.com/1",
        events: ["task.ended"],
        provider: null,
        format: "flat",
      },
    },
    { url: "https://bridge.example.com/base/hooks/hook_a", method: "DELETE" },
  ]);
});

test("a webhook is one item, with its own id", () => {
  const event = { id: "msg_a_0", type: "task.failed" };
  assert.deepEqual(trigger.perform(zapier(), { cleanedRequest: event }), [event]);
});

test("samples are of the type that was chosen, if it is one", async () => {
  const z = zapier([{ id: "msg_sample_0" }]);
  const list = (events) => trigger.performList(z, { authData, inputData: { events } });
  assert.deepEqual(await list(["task.failed"]), [{ id: "msg_sample_0" }]);
  await list(undefined);
  await list(["task.failed", "task.expired"]);
  assert.deepEqual(
    z.asked.map((each) => each.params),
    [{ format: "flat", type: "task.failed" }, { format: "flat" }, { format: "flat" }],
  );
});

test("watching a task sends what was filled in", async () => {
  const z = zapier({ id: "sub_a" });
  const inputData = { provider: "amux", task_id: "t", metadata: { order: "7" } };
  const made = await app.creates.subscribe.operation.perform(z, { authData, inputData });
  assert.deepEqual(made, { id: "sub_a" });
  assert.equal(z.asked[0].url, "https://bridge.example.com/base/subscribe");
  assert.deepEqual(z.asked[0].body, {
    provider: "amux",
    task_id: "t",
    callback_url: null,
    deadline: null,
    model: null,
    provider_api_key: null,
    metadata: { order: "7" },
    format: "flat",
  });
});

test("each request has the key, and keeps its own headers", () => {
  const request = addKey({ headers: { a: "b" } }, {}, { authData });
  assert.deepEqual(request.headers, { a: "b", "X-API-Key": "k" });
});

test("a refusal says what the bridge says", () => {
  const z = zapier();
  const problem = { code: "invalid_request", detail: "d", errors: [{ field: "f", message: "m" }] };
  assert.throws(() => refuse(answer(422, JSON.stringify(problem)), z), {
    message: "f: m",
    code: "invalid_request",
    status: 422,
  });
  assert.throws(() => refuse(answer(502, "<html>"), z), { message: "poll-bridge answered 502" });
  assert.throws(() => refuse(answer(429, "{}", { "retry-after": "3" }), z), { delay: 3 });
  const fine = answer(204, "");
  assert.equal(refuse(fine, z), fine);
});

test("no field of a key is shown", () => {
  const fields = [...app.authentication.fields, ...app.creates.subscribe.operation.inputFields];
  const keys = fields.filter((each) => each.key.endsWith("key"));
  assert.equal(keys.length, 2);
  assert.ok(keys.every((each) => each.type === "password"));
});
