"use strict";

const { at } = require("../address");
const sample = require("../samples/subscription.json");

const FIELDS = [
  { key: "provider", label: "Provider", type: "string", required: true,
    helpText: "Who runs the task: a name of `GET /providers`." },
  { key: "task_id", label: "Task ID", type: "string", required: true,
    helpText: "The id that the provider gave the task." },
  { key: "callback_url", label: "Callback URL", type: "string",
    helpText: "Where the end is sent. Leave it empty if the Task Ended trigger takes it." },
  { key: "deadline", label: "Deadline", type: "string", placeholder: "2h",
    helpText: "When to give up. Empty: as the provider's page says." },
  { key: "model", label: "Model", type: "string",
    helpText: "A label that is told in events, if the provider names no model." },
  { key: "provider_api_key", label: "Provider API Key", type: "password",
    helpText: "Your own key at the provider, if the bridge has none configured." },
  { key: "metadata", label: "Metadata", dict: true,
    helpText: "Comes back in the event, as `metadata_…`." },
];

/** A repeat is harmless: the bridge answers it with the subscription that is there. */
const perform = async (z, bundle) => {
  const given = FIELDS.map(({ key }) => [key, bundle.inputData[key] ?? null]);
  const response = await z.request({
    url: at(bundle, "/subscribe"),
    method: "POST",
    body: { ...Object.fromEntries(given), format: "flat" },
  });
  return response.data;
};

module.exports = {
  key: "subscribe",
  noun: "Subscription",
  display: {
    label: "Watch a Task",
    description: "Has poll-bridge watch a task and tell its end, once.",
  },
  operation: { inputFields: FIELDS, perform, sample },
};
