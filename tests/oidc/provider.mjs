// An OpenID provider on loopback, as its makers ship it; nothing of its tokens or keys is ours.
//
// Prints `listening http://127.0.0.1:PORT` when it answers. On SIGHUP it withdraws its keys, makes new
// ones under the same issuer, and prints `rotated`.
//
// Prints `refreshed` for each refresh token that it takes, and `revoked` when it ends a consent, which is
// what it does when a refresh token comes again.
//
// A resource says which token its clients get: `urn:gateway:ALGORITHM` a JWT for the gateway, signed in
// that way, and any other one a JWT for somebody else. Without a resource a token is opaque, unless an
// application asks for a scope of Entra ID's, `RESOURCE/.default`.
//
// The token endpoint is where a tenant's at Entra ID is. With a certificate's file as its argument, the
// provider knows that certificate's key as the one of clients who sign assertions.

import { generateKeyPair, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { promisify } from 'node:util';

import Provider from 'oidc-provider';

const AUDIENCE = 'partner-gateway';
const GATEWAY = 'urn:gateway:';
const ENTRA = /^\/[^/]+\/oauth2\/v2\.0\/token$/;
const CIBA = 'urn:openid:params:grant-type:ciba';
const TOKEN = '/contoso.test/oauth2/v2.0/token';
const DEFAULT = '/.default';

const clients = ['billing', 'other'].map((id) => ({
  client_id: id,
  client_secret: `the-secret-of-${id}`,
  token_endpoint_auth_method: 'client_secret_post',
  grant_types: ['client_credentials', CIBA],
  backchannel_token_delivery_mode: 'poll',
  redirect_uris: [],
  response_types: [],
}));

// A secret that every layer has to encode.
clients.push({ ...application('application', 'client_secret_post'), client_secret: 'se+cr/et &=%' });

const [, , certificate] = process.argv;
if (certificate) {
  const key = new X509Certificate(readFileSync(certificate)).publicKey.export({ format: 'jwk' });
  for (const algorithm of ['PS256', 'RS256']) {
    clients.push({
      ...application(`certified-${algorithm}`, 'private_key_jwt'),
      token_endpoint_auth_signing_alg: algorithm,
      jwks: { keys: [{ ...key, use: 'sig' }] },
    });
  }
}

function application(id, method) {
  return {
    client_id: id,
    token_endpoint_auth_method: method,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  };
}

function resourceOf(ctx) {
  const { grant_type: grant, scope } = ctx.oidc.params;
  const named = grant === 'client_credentials' && scope?.endsWith(DEFAULT);
  return named ? scope.slice(0, -DEFAULT.length) : undefined;
}

// The application that acts for a user at a token endpoint like Entra ID's. Its refresh tokens rotate, and
// one that comes again ends the whole consent.
const SCOPE = 'https://api.partnercenter.microsoft.com/.default';
clients.push({
  client_id: '4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01',
  client_secret: 'the-secret-of-4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01',
  token_endpoint_auth_method: 'client_secret_post',
  grant_types: ['refresh_token', CIBA],
  backchannel_token_delivery_mode: 'poll',
  redirect_uris: [],
  response_types: [],
});

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
  grant.addOIDCScope(`openid offline_access ${SCOPE}`);
  await grant.save();
  await provider.backchannelResult(request, grant);
}

async function provider(issuer) {
  const made = new Provider(issuer, {
    clients,
    routes: { token: TOKEN },
    scopes: ['openid', 'offline_access', SCOPE],
    rotateRefreshToken: true,
    jwks: { keys: await freshKeys() },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: resourceOf,
        getResourceServerInfo: resourceServer,
      },
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
  made.on('grant.success', (ctx) => {
    if (ctx.oidc.params.grant_type === 'refresh_token') console.log('refreshed');
  });
  made.on('grant.revoked', () => console.log('revoked'));
  return made.callback();
}

const server = createServer();
server.listen(0, '127.0.0.1', async () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  let answer = await provider(issuer);
  server.on('request', (request, response) => {
    request.url = request.url.replace(ENTRA, TOKEN);
    answer(request, response);
  });
  process.on('SIGHUP', async () => {
    answer = await provider(issuer);
    console.log('rotated');
  });
  console.log(`listening ${issuer}`);
});
