//! Several accounts in one gateway: none ever uses what is another's.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use partner_gateway::{
    http_client::{HttpClient, Sending, Transport},
    partner_center::AccountSettings,
    secret::SecretSource,
    token::{self, Version, cell::TokenCell, credential::Settings as Credential},
};
use proptest::{prelude::*, sample::select};
use sandbox::{Fault, Sandbox, Seen, Settings, Target};

use crate::harness::{
    self, World, config,
    issuer::base64,
    tempdir,
    transport::{Service, ToSandbox},
};

#[tokio::test(start_paused = true)]
async fn keeps_accounts_of_two_tenants_and_two_clouds_apart() {
    let settings = Settings {
        tenant: OTHER_TENANT.to_owned(),
        client_id: OTHER_CLIENT.to_owned(),
        client_secret: "the-secret-of-fabrikam".to_owned(),
        audience: "https://partner.example.cn".to_owned(),
        ..Settings::default()
    };
    let china = Sandbox::new(settings.clone());
    let world = World::with(|config| {
        let second = account(
            "fabrikam",
            "login.example.cn",
            "partner.example.cn",
            &settings,
        );
        config.accounts.push(second);
        let accounts = ["contoso", "fabrikam"].map(ToOwned::to_owned);
        config.authorization.rules[0].accounts = BTreeSet::from(accounts);
    })
    .await;
    world
        .network
        .serve("login.example.cn", Service::Entra, &china);
    world
        .network
        .serve("partner.example.cn", Service::PartnerCenter, &china);

    let calls = (0..40).map(|number| {
        let name = if number % 2 == 0 {
            "contoso"
        } else {
            "fabrikam"
        };
        let call = world.reject().header("partner-account", name);
        async move { (name, call.send().await) }
    });
    let answers = join_all(calls).await;

    for (name, answer) in &answers {
        // The first rejects the transfer, and the others are told that it has ended.
        assert!(
            matches!(answer.status, 200 | 400),
            "{name}: {}",
            answer.status
        );
        assert_eq!(answer.record["account"], *name);
        let tenant = match *name {
            "contoso" => Settings::default().tenant,
            _ => OTHER_TENANT.to_owned(),
        };
        assert_eq!(answer.record["partner_tenant"], tenant);
    }
    for sandbox in [&world.sandbox, &china] {
        assert_eq!(sandbox.token_requests().len(), 1);
        assert_eq!(sandbox.seen().len(), 20);
        let tokens: BTreeSet<_> = sandbox.seen().iter().map(authorization).collect();
        assert_eq!(tokens.len(), 1);
    }
    let [one, other] = [&world.sandbox, &china].map(|sandbox| authorization(&sandbox.seen()[0]));
    assert_ne!(one, other);
}

#[tokio::test(start_paused = true)]
async fn refuses_a_token_of_another_tenant_or_application() {
    let tenant = Settings {
        tenant: OTHER_TENANT.to_owned(),
        ..Settings::default()
    };
    let application = Settings {
        client_id: OTHER_CLIENT.to_owned(),
        ..Settings::default()
    };
    // Tokens of version 2 name the application otherwise.
    let newer = base64(format!(r#"{{"azp":"{OTHER_CLIENT}"}}"#));
    let newer = format!("{}.{newer}.c2ln", base64(r#"{"alg":"RS256"}"#));
    for (claim, issued) in [
        ("tid", issued(&tenant).await),
        ("appid", issued(&application).await),
        ("azp", newer),
    ] {
        let world = World::new().await;
        let body =
            format!(r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"{issued}"}}"#);
        let mixed_up = Fault::Body {
            status: 200,
            content_type: Some("application/json".to_owned()),
            body,
        };
        world.sandbox.push_fault(Target::Token, mixed_up);

        let answer = world.reject().send().await;

        answer.is_problem(503, "token_unavailable", "no");
        assert!(
            world.sandbox.seen().is_empty(),
            "a token with another {claim} was sent"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gives_each_account_the_token_that_was_asked_for_it(
        accounts in proptest::collection::vec(any_settings(), 2..8),
        order in proptest::collection::vec(0..8_usize, 1..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let http = HttpClient::over(Echo);
        let cells: Vec<_> = accounts.iter().map(|settings| cell(settings.clone(), &http)).collect();

        runtime.block_on(async {
            for number in order {
                let number = number % cells.len();
                let had = cells[number].current().await.unwrap();

                let expected = format!("Bearer {}", fingerprint_of(&accounts[number]));
                prop_assert_eq!(had.authorization(), &expected);
            }
            Ok(())
        })?;
    }
}

/// Answers each token request with a token that names what was asked, where and with what.
#[derive(Debug)]
struct Echo;

impl Transport for Echo {
    fn send(&self, request: Request<Full<Bytes>>) -> Sending {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let form = body.collect().await.unwrap().to_bytes();
            let token = fingerprint(&head.uri.to_string(), &String::from_utf8_lossy(&form));
            let body =
                format!(r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"{token}"}}"#);
            let answer = Response::builder().header(header::CONTENT_TYPE, "application/json");
            let body = Full::from(body)
                .map_err(|never| match never {})
                .boxed_unsync();
            Ok(answer.body(body).unwrap())
        })
    }
}

/// What the token of an account's own request would be, told from its settings alone.
fn fingerprint_of(settings: &token::Settings) -> String {
    let authority = settings.authority.to_string();
    let (path, wanted) = match settings.version {
        Version::V1 => ("oauth2/token", ("resource", settings.resource())),
        Version::V2 => ("oauth2/v2.0/token", ("scope", settings.scope.as_str())),
    };
    let proof = match &settings.credential {
        Credential::ClientSecret(SecretSource::Value(secret)) => {
            vec![("client_secret", secrecy_of(secret))]
        }
        Credential::FederatedToken(SecretSource::Value(token)) => vec![
            ("client_assertion_type", JWT_BEARER.to_owned()),
            ("client_assertion", secrecy_of(token)),
        ],
        other => unreachable!("{other:?}"),
    };
    let mut fields = vec![
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", settings.client_id.clone()),
        (wanted.0, wanted.1.to_owned()),
    ];
    fields.extend(proof);
    let pairs: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    fingerprint(
        &format!("{authority}{}/{path}", settings.tenant),
        &pairs.join("&"),
    )
}

/// Names a request whatever the order of its fields.
fn fingerprint(url: &str, form: &str) -> String {
    let mut fields: Vec<_> = form.split('&').collect();
    fields.sort_unstable();
    let hash = digest(&SHA256, format!("{url} {}", fields.join("&")).as_bytes());
    harness::journal::hex(hash.as_ref())
}

fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte);
    let encode = |byte: u8| match byte {
        byte if plain(byte) => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        byte => format!("%{byte:02X}"),
    };
    value.bytes().map(encode).collect()
}

fn secrecy_of(secret: &secrecy::SecretString) -> String {
    secrecy::ExposeSecret::expose_secret(secret).to_owned()
}

fn any_settings() -> impl Strategy<Value = token::Settings> {
    let tenants = ["contoso.com", "fabrikam.com"];
    let clients = [
        "4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01",
        "66666666-7777-4888-9999-000000000001",
    ];
    let scopes = [
        "https://one.example/.default",
        "https://two.example/.default",
    ];
    (
        select(vec!["https://login.one", "https://login.two"]),
        select(tenants.to_vec()),
        select(clients.to_vec()),
        select(scopes.to_vec()),
        select(vec![Version::V1, Version::V2]),
        (any::<bool>(), select(vec!["first", "second"])),
    )
        .prop_map(
            |(authority, tenant, client_id, scope, version, (federated, secret))| {
                let source = SecretSource::Value(secret.to_owned().into());
                token::Settings {
                    authority: authority.parse().unwrap(),
                    tenant: tenant.to_owned(),
                    client_id: client_id.to_owned(),
                    scope: scope.to_owned(),
                    version,
                    credential: if federated {
                        Credential::FederatedToken(source)
                    } else {
                        Credential::ClientSecret(source)
                    },
                    flow: token::Flow::App,
                }
            },
        )
}

fn cell(settings: token::Settings, http: &HttpClient) -> TokenCell {
    TokenCell::new("account".into(), harness::grant(settings, http.clone()))
}

/// An account of its own at a sandbox of its own.
fn account(name: &str, login: &str, api: &str, settings: &Settings) -> AccountSettings {
    let mut account = config(&tempdir()).accounts.remove(0);
    name.clone_into(&mut account.name);
    account.tenant.clone_from(&settings.tenant);
    account.api = format!("https://{api}").parse().unwrap();
    account.token.authority = format!("https://{login}").parse().unwrap();
    account.token.tenant.clone_from(&settings.tenant);
    account.token.client_id.clone_from(&settings.client_id);
    account.token.scope = format!("{}/.default", settings.audience);
    let secret = SecretSource::Value(settings.client_secret.clone().into());
    account.token.credential = Credential::ClientSecret(secret);
    account
}

/// A token that a sandbox like this has issued.
async fn issued(settings: &Settings) -> String {
    let token = account("other", "login.test", "api.test", settings).token;
    let http = HttpClient::over(ToSandbox::new(Sandbox::new(settings.clone())));
    let minted = harness::grant(token, http).mint().await.unwrap();
    let authorization = minted.authorization().to_str().unwrap();
    authorization.trim_start_matches("Bearer ").to_owned()
}

fn authorization(seen: &Seen) -> String {
    let mut headers = seen.headers.iter();
    let found = headers.find(|(name, _)| name == "authorization");
    found.unwrap().1.clone()
}

const OTHER_TENANT: &str = "11111111-2222-4333-8444-555555555555";

const OTHER_CLIENT: &str = "66666666-7777-4888-9999-000000000001";

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
