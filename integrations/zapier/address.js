"use strict";

/** The URL of a path at the bridge, whose own address may have a path, and a "/" behind it. */
const at = (bundle, path) => bundle.authData.base_url.trim().replace(/\/+$/, "") + path;

module.exports = { at };
