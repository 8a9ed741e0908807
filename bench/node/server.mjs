// The same gateway as a team would write it in an afternoon: one process, a shared token for callers, Microsoft's own
// client for its token, no retries, no policy, a log in place of an audit journal.

import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { ConfidentialClientApplication } from "@azure/msal-node";
import Fastify from "fastify";
import { Pool } from "undici";

const { PORT, API, AUTHORITY, CALLER_TOKEN_FILE, CLIENT_SECRET_FILE } = process.env;

const hash = (text) => createHash("sha256").update(text).digest();
const expected = hash(`Bearer ${readFileSync(CALLER_TOKEN_FILE, "utf8").trim()}`);

const entra = new ConfidentialClientApplication({
  auth: {
    clientId: "4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01",
    clientSecret: readFileSync(CLIENT_SECRET_FILE, "utf8").trim(),
    authority: `${AUTHORITY}/3a9a35ce-d5be-4814-ab58-4451c36fe157`,
    knownAuthorities: [new URL(AUTHORITY).host],
  },
});
const scopes = ["https://api.partnercenter.microsoft.com/.default"];

const partnerCenter = new Pool(API, { connections: 64 });
const guid = { type: "string", pattern: "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$" };
const schema = {
  params: { type: "object", properties: { customer: guid, transfer: guid }, required: ["customer", "transfer"] },
};

const app = Fastify({ logger: true });

app.addHook("onRequest", async (request, reply) => {
  if (!timingSafeEqual(hash(request.headers.authorization ?? ""), expected)) {
    return reply.code(401).send({ error: "unauthenticated" });
  }
});

app.post("/transfers/:customer/:transfer/reject", { schema }, async (request, reply) => {
  const { customer, transfer } = request.params;
  const { accessToken } = await entra.acquireTokenByClientCredential({ scopes });
  const answer = await partnerCenter.request({
    method: "PATCH",
    path: `/v1/customers/${customer}/transfers/${transfer}`,
    headers: {
      authorization: `Bearer ${accessToken}`,
      accept: "application/json",
      "content-type": "application/json",
      "ms-contract-version": "v1",
      "ms-requestid": crypto.randomUUID(),
      "ms-correlationid": crypto.randomUUID(),
      "x-locale": "en-US",
    },
    body: JSON.stringify({ id: transfer, status: "reject" }),
  });
  const body = await answer.body.json();
  request.log.info({ customer, transfer, status: answer.statusCode }, "rejected");
  return reply.code(answer.statusCode).send(body);
});

await app.listen({ host: "127.0.0.1", port: Number(PORT) });
