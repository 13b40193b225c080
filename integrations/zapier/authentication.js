"use strict";

const { at } = require("./address");

module.exports = {
  type: "custom",
  fields: [
    {
      key: "base_url",
      label: "Address",
      type: "string",
      required: true,
      helpText: "Of your poll-bridge, as Zapier can reach it: `https://bridge.example.com`.",
    },
    { key: "api_key", label: "API key", type: "password", required: true },
  ],
  test: async (z, bundle) => (await z.request({ url: at(bundle, "/providers") })).data,
  connectionLabel: "{{bundle.authData.base_url}}",
};
