"use strict";

const addKey = (request, z, bundle) => {
  request.headers = { ...request.headers, "X-API-Key": bundle.authData.api_key };
  return request;
};

/** The bridge says in its problems which field is wrong and what to do: pass that on. */
const refuse = (response, z) => {
  if (response.status < 400) return response;
  const problem = problemOf(response);
  const faults = (problem.errors ?? []).map((each) => `${each.field}: ${each.message}`);
  const said = faults.join("; ") || problem.detail || `poll-bridge answered ${response.status}`;
  if (response.status === 429) {
    const seconds = Number(response.getHeader("retry-after")) || 60;
    throw new z.errors.ThrottledError(said, seconds);
  }
  throw new z.errors.Error(said, problem.code ?? "refused", response.status);
};

const problemOf = (response) => {
  try {
    return JSON.parse(response.content) ?? {};
  } catch {
    return {}; // a proxy's page
  }
};

module.exports = { addKey, refuse };
