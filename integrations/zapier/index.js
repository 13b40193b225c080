"use strict";

const authentication = require("./authentication");
const { addKey, refuse } = require("./middleware");
const taskEnded = require("./triggers/task_ended");
const subscribe = require("./creates/subscribe");
const { version, dependencies } = require("./package.json");

module.exports = {
  version,
  platformVersion: dependencies["zapier-platform-core"],
  authentication,
  beforeRequest: [addKey],
  afterResponse: [refuse],
  triggers: { [taskEnded.key]: taskEnded },
  creates: { [subscribe.key]: subscribe },
};
