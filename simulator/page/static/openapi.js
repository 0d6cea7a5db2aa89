// DingTalk's OpenAPI: how much of the month's quotas is used, and the switches of its faults.

import * as api from "./api.js";
import { element } from "./dom.js";
import { texts } from "./texts.js";

const FAULTS = [
  ...["qps", "quota", "forbidden", "unauthorized", "fail", "hang", "lost"],
  ...["content", "template", "undelivered"],
];

/** Draws below the conversations what is used of the month's quotas. */
export function drawUsage(node, { openapi }) {
  const words = openapi ? usageIn(openapi).join(" · ") : "";
  if (node.textContent !== words) node.textContent = words;
}

const usageIn = ({ calls, monthly_calls: most, webhooks, monthly_webhooks: mostWebhooks }) => [
  texts.openapiCalls(share(calls, most)),
  texts.webhookCalls(share(webhooks, mostWebhooks)),
];

const share = (used, most) => (most === null ? String(used) : `${used} / ${most}`);

/** What the panel of faults has of the OpenAPI. */
export const openapiParts = ({ openapi }, page) => (openapi ? [usage(openapi), switches(openapi, page)] : []);

function usage(openapi) {
  const calls = Object.entries(openapi.by_api ?? {}).map(([path, count]) =>
    element("li", {}, element("code", {}, path), ` ${count}`),
  );
  return element(
    "section",
    { class: "calls" },
    element("h3", {}, texts.openapi),
    ...usageIn(openapi).map((words) => element("p", { class: "hint" }, words)),
    openapi.refused ? element("p", { class: "hint" }, texts.tooFast(openapi.refused)) : null,
    calls.length ? element("ul", {}, ...calls) : null,
  );
}

function switches({ faults }, { attempt }) {
  const options = [null, ...FAULTS].map((fault) =>
    element(
      "label",
      {},
      element("input", {
        type: "radio",
        name: "openapi",
        value: fault ?? "none",
        "data-key": `openapi ${fault}`,
        checked: faults.fault === fault,
        onchange: () => attempt(api.setOpenAPIFault(fault)),
      }),
      texts.openapiFaults[fault ?? "none"],
    ),
  );
  return element("fieldset", {}, element("legend", {}, texts.whenCalled), ...options);
}

/** The fault of the OpenAPI that is on, in words. */
export const openapiFaultsOn = ({ openapi }) =>
  openapi?.faults.fault ? [texts.openapiFaults[openapi.faults.fault]] : [];
