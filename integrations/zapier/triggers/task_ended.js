"use strict";

const { at } = require("../address");
const sample = require("../samples/event.json");

const ALL = "task.ended";
const EVENTS = {
  [ALL]: "All six ends",
  "task.succeeded": "Succeeded",
  "task.failed": "Failed",
  "task.cancelled": "Cancelled",
  "task.expired": "Expired",
  "task.timed_out": "Timed out",
  "task.unreachable": "Unreachable",
};

const chosen = (bundle) => {
  const events = [].concat(bundle.inputData.events ?? []);
  return events.length ? events : [ALL];
};

/** What Zapier keeps of the answer comes back as `bundle.subscribeData`. */
const performSubscribe = async (z, bundle) => {
  const response = await z.request({
    url: at(bundle, "/hooks"),
    method: "POST",
    body: {
      url: bundle.targetUrl,
      events: chosen(bundle),
      provider: bundle.inputData.provider ?? null,
      format: "flat",
    },
  });
  return { id: response.data.id };
};

const performUnsubscribe = async (z, bundle) => {
  const id = encodeURIComponent(bundle.subscribeData.id);
  await z.request({ url: at(bundle, `/hooks/${id}`), method: "DELETE" });
  return {};
};

/** `id` is the webhook-id, by which Zapier tells a repeat from news. */
const perform = (z, bundle) => [bundle.cleanedRequest];

const performList = async (z, bundle) => {
  const [first, ...others] = chosen(bundle);
  const type = first === ALL || others.length ? {} : { type: first };
  const response = await z.request({
    url: at(bundle, "/samples"),
    params: { format: "flat", ...type },
  });
  return response.data;
};

module.exports = {
  key: "task_ended",
  noun: "Task",
  display: {
    label: "Task Ended",
    description: "Triggers when a task that poll-bridge watches for you has ended.",
  },
  operation: {
    type: "hook",
    inputFields: [
      {
        key: "events",
        label: "Events",
        choices: EVENTS,
        list: true,
        helpText: "Leave it empty for all six ends.",
      },
      {
        key: "provider",
        label: "Provider",
        type: "string",
        helpText: "Only tasks of this provider. Leave it empty for all.",
      },
    ],
    performSubscribe,
    performUnsubscribe,
    perform,
    performList,
    sample,
  },
};
