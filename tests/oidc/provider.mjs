// An OpenID provider on loopback, as its makers ship it; nothing of its tokens or keys is ours.
//
// Prints `listening http://127.0.0.1:PORT` when it answers. On SIGHUP it withdraws its keys, makes new
// ones under the same issuer, and prints `rotated`.
//
// A resource says which token its clients get: `urn:gateway:ALGORITHM` a JWT for the gateway, signed in
// that way, and any other one a JWT for somebody else. Without a resource a token is opaque.

import { generateKeyPair } from 'node:crypto';
import { createServer } from 'node:http';
import { promisify } from 'node:util';

import Provider from 'oidc-provider';

const AUDIENCE = 'partner-gateway';
const GATEWAY = 'urn:gateway:';
const CIBA = 'urn:openid:params:grant-type:ciba';

const clients = ['billing', 'other'].map((id) => ({
  client_id: id,
  client_secret: `the-secret-of-${id}`,
  token_endpoint_auth_method: 'client_secret_post',
  grant_types: ['client_credentials', CIBA],
  backchannel_token_delivery_mode: 'poll',
  redirect_uris: [],
  response_types: [],
}));

async function freshKeys() {
  const pairs = await Promise.all([
    promisify(generateKeyPair)('rsa', { modulusLength: 2048 }),
    promisify(generateKeyPair)('ec', { namedCurve: 'P-256' }),
    promisify(generateKeyPair)('ed25519'),
  ]);
  return pairs.map(({ privateKey }) => ({ ...privateKey.export({ format: 'jwk' }), use: 'sig' }));
}

function resourceServer(_ctx, resource) {
  const ours = resource.startsWith(GATEWAY);
  return {
    audience: ours ? AUDIENCE : resource,
    scope: '',
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: ours ? resource.slice(GATEWAY.length) : 'RS256' } },
  };
}

// A user who is asked on a device of their own, and agrees at once: the shortest way to an ID token.
async function agree(ctx, request, account, client) {
  const { provider } = ctx.oidc;
  const grant = new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
  grant.addOIDCScope('openid');
  await grant.save();
  await provider.backchannelResult(request, grant);
}

async function provider(issuer) {
  const made = new Provider(issuer, {
    clients,
    jwks: { keys: await freshKeys() },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: resourceServer },
      ciba: {
        enabled: true,
        processLoginHint: (_ctx, hint) => hint,
        triggerAuthenticationDevice: agree,
        validateBindingMessage: () => {},
        validateRequestContext: () => {},
        verifyUserCode: () => {},
      },
    },
  });
  return made.callback();
}

const server = createServer();
server.listen(0, '127.0.0.1', async () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  let answer = await provider(issuer);
  server.on('request', (request, response) => answer(request, response));
  process.on('SIGHUP', async () => {
    answer = await provider(issuer);
    console.log('rotated');
  });
  console.log(`listening ${issuer}`);
});
