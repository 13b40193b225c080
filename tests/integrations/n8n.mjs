// Runs a workflow as n8n would, for the node types that ours have. Reads
// {workflow, start, item, env, answers, resumed, off} from stdin; writes the nodes in the
// order in which they ran, each with what it put out or asked for.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

const given = JSON.parse(readFileSync(0, "utf8"));
const nodes = new Map(given.workflow.nodes.map((node) => [node.name, node]));
const put = new Map();
const ran = [];

function evaluated(text, item) {
  if (typeof text !== "string" || !text.startsWith("=")) return text;
  const scope = {
    $json: item.json,
    $env: given.env ?? {},
    $execution: { id: "7", resumeUrl: "http://n8n:5678/webhook-waiting/7?signature=a%2Fb" },
    $: (name) => ({ first: () => put.get(name) }),
  };
  const value = (code) =>
    new Function(...Object.keys(scope), `return (${code});`)(...Object.values(scope));
  const whole = /^=\{\{((?:(?!\}\}).)*)\}\}$/s.exec(text);
  if (whole) return value(whole[1]);
  return text.slice(1).replace(/\{\{(.*?)\}\}/gs, (_, code) => String(value(code)));
}

const bytes = (item, name) => Buffer.from(item.binary[name], "base64");
const only = (item) => [0, item];

const kinds = {
  manualTrigger: (_p, item) => only(item),
  webhook: (_p, item) => only(item),
  wait: (_p, item) => only({ json: given.resumed ?? item.json }),
  extractFromFile: (p, item) =>
    only({
      json: {
        ...item.json,
        [p.destinationKey]: bytes(item, p.binaryPropertyName).toString("utf8"),
      },
    }),
  crypto(p, item) {
    const mac = createHmac(p.type, evaluated(p.secret, item));
    mac.update(p.binaryData ? bytes(item, p.binaryPropertyName) : evaluated(p.value, item));
    return only({ json: { ...item.json, [p.dataPropertyName]: mac.digest(p.encoding) } });
  },
  if(p, item) {
    const said = p.conditions.conditions.map((each) => evaluated(each.leftValue, item));
    if (said.some((each) => typeof each !== "boolean")) throw new Error("strict: not true or false");
    return [said.every(Boolean) ? 0 : 1, item];
  },
  set: (p, item) =>
    only({
      json: Object.fromEntries(
        p.assignments.assignments.map((each) => {
          const value = evaluated(each.value, item);
          if (typeof value !== each.type) throw new Error(`${each.name} is no ${each.type}`);
          return [each.name, value];
        }),
      ),
    }),
  respondToWebhook: (p, item) => only({ ...item, answered: p.options.responseCode }),
  httpRequest(p, item, node) {
    const body = evaluated(p.jsonBody ?? "null", item);
    const asked = { method: p.method, url: evaluated(p.url, item), body };
    const answers = given.answers?.[node.name] ?? [{}];
    return only({ json: answers.length > 1 ? answers.shift() : answers[0], asked });
  },
};

let name = given.start;
let item = given.item;
while (name) {
  const node = nodes.get(name);
  const kind = node.type.replace("n8n-nodes-base.", "");
  let output = 0;
  if (!given.off?.includes(name)) [output, item] = kinds[kind](node.parameters, item, node);
  put.set(name, item);
  ran.push({ node: name, ...item });
  if (ran.length > 50) throw new Error("runs in a circle");
  name = given.workflow.connections[name]?.main[output]?.[0]?.node;
}
process.stdout.write(JSON.stringify(ran));
