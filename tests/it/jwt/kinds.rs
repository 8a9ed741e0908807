//! What the tokens of Kubernetes, SPIFFE and Entra ID owe beyond any other.

use partner_gateway::identity::issuer::IssuerSettings;
use serde_json::{Value, json};

use super::{call, refuses};
use crate::harness::{
    World,
    issuer::{BEGAN, ISSUER, Issuer, claims_with, rsa, world, world_with},
};

const ACCOUNT: &str = "system:serviceaccount:billing:transfers";
const TENANT: &str = "3a9a35ce-d5be-4814-ab58-4451c36fe157";
const CLIENT: &str = "4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01";

/// The claims of a token that the kubelet projects, some changed.
fn projected(changed: Value) -> Value {
    let mut claims = claims_with(json!({
        "aud": ["partner-gateway"],
        "sub": ACCOUNT,
        "kubernetes.io": {
            "namespace": "billing",
            "node": {"name": "node-1", "uid": "0b1f2c3d-0000-4000-8000-000000000001"},
            "pod": {"name": "transfers-0", "uid": "0b1f2c3d-0000-4000-8000-000000000002"},
            "serviceaccount": {"name": "transfers", "uid": "0b1f2c3d-0000-4000-8000-000000000003"},
            "warnafter": BEGAN + 3607,
        },
    }));
    change(&mut claims, changed);
    claims
}

fn change(claims: &mut Value, changed: Value) {
    let (Value::Object(all), Value::Object(changed)) = (claims, changed) else {
        panic!("no objects")
    };
    for (name, value) in changed {
        match value {
            Value::Null => all.remove(&name),
            value => all.insert(name, value),
        };
    }
}

async fn names(world: &World, claims: &Value, principal: &str) {
    let answer = call(world, &rsa().token(claims)).await;

    assert_ne!(answer.status, 401, "{claims}");
    assert_eq!(answer.record["principal"], principal);
}

async fn refuses_each(world: &World, cases: impl IntoIterator<Item = Value>) {
    for claims in cases {
        refuses(world, &rsa().token(&claims), &claims.to_string()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn knows_a_service_account_by_its_projected_token() {
    let world = world(&Issuer::new()).await;

    names(&world, &projected(json!({})), ACCOUNT).await;
    names(
        &world,
        &projected(json!({"aud": "partner-gateway"})),
        ACCOUNT,
    )
    .await;
    names(&world, &projected(json!({"exp": BEGAN + 86_400})), ACCOUNT).await;
    let other = projected(json!({
        "sub": "system:serviceaccount:team-1:web.v2",
        "kubernetes.io": {"namespace": "team-1", "serviceaccount": {"name": "web.v2"}},
    }));
    names(&world, &other, "system:serviceaccount:team-1:web.v2").await;
}

#[tokio::test(start_paused = true)]
async fn refuses_a_service_account_that_is_not_what_it_says() {
    let world = world(&Issuer::new()).await;
    let pod = |namespace: &str, name: &str| json!({"kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name}}});

    refuses_each(
        &world,
        [
            projected(json!({"kubernetes.io": null})),
            projected(json!({"kubernetes.io": "billing"})),
            projected(json!({"kubernetes.io": {"namespace": "billing"}})),
            projected(pod("other", "transfers")),
            projected(pod("billing", "other")),
            projected(pod("billing:transfers", "transfers")),
            projected(json!({"sub": "system:serviceaccount:billing"})),
            projected(json!({"sub": "system:serviceaccount:billing:transfers:x"})),
            projected(json!({"sub": "system:serviceaccount::transfers"})),
            projected(json!({"sub": "system:serviceaccount:Billing:transfers"})),
            projected(json!({"sub": "system:node:node-1"})),
            projected(json!({"sub": "billing"})),
            projected(json!({"iat": null})),
            projected(json!({"exp": BEGAN + 31_536_000})),
            projected(json!({"exp": BEGAN + 86_401})),
            projected(json!({"exp": null})),
            projected(json!({"aud": null})),
            projected(json!({"aud": ["https://kubernetes.default.svc.cluster.local"]})),
            projected(json!({"aud": ["partner-gateway", "https://kubernetes.default.svc"]})),
            projected(json!({"aud": ["partner-gateway", "vault"]})),
            projected(json!({"aud": ["api://AzureADTokenExchange"]})),
            projected(json!({"iss": "kubernetes/serviceaccount"})),
        ],
    )
    .await;
    // Both places agree, on what is no name.
    for (namespace, name) in [("a", "b:c"), ("Billing", "transfers"), ("", "transfers")] {
        let alike = projected(json!({
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name}},
        }));
        refuses_each(&world, [alike]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn takes_the_name_of_a_service_account_from_no_other_claim() {
    let issuer = Issuer::new();
    let world = world_with(&issuer, |settings| {
        "name".clone_into(&mut settings.principal_claim);
    })
    .await;

    refuses_each(
        &world,
        [
            claims_with(json!({ "name": ACCOUNT })),
            claims_with(json!({"name": "spiffe://example.test"})),
            projected(json!({"name": "system:serviceaccount:admin:root"})),
            projected(json!({"name": "billing"})),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn knows_a_workload_by_its_jwt_svid() {
    let issuer = Issuer::new();
    let world = world_with(&issuer, |settings| {
        settings.demands.trust_domain = Some("example.test".to_owned());
    })
    .await;
    let id = "spiffe://example.test/billing";
    let svid = claims_with(json!({ "sub": id }));
    let typed = |typ: &str| json!({"alg": "RS256", "kid": "rsa", "typ": typ});

    names(&world, &svid, id).await;
    for typ in ["JWT", "JOSE"] {
        let answer = call(&world, &rsa().sign(&typed(typ), &svid)).await;
        assert_eq!(answer.record["principal"], id, "{typ}");
    }
    refuses(&world, &rsa().sign(&typed("at+jwt"), &svid), "at+jwt").await;
    refuses_each(
        &world,
        [
            "spiffe://other.test/billing",
            "spiffe://example.test",
            "spiffe://example.test/",
            "spiffe://example.test/../billing",
            "SPIFFE://example.test/billing",
            "spiffe://example.test:1/billing",
            "billing",
            ACCOUNT,
        ]
        .map(|sub| claims_with(json!({ "sub": sub }))),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn takes_a_jwt_svid_of_any_trust_domain_where_none_is_configured() {
    let world = world(&Issuer::new()).await;

    names(
        &world,
        &claims_with(json!({"sub": "spiffe://a/b"})),
        "spiffe://a/b",
    )
    .await;
    refuses_each(&world, [claims_with(json!({"sub": "spiffe://a"}))]).await;
}

/// Claims of an application in Entra ID, in the form of version 2.0, some changed.
fn application(changed: Value) -> Value {
    let mut claims = claims_with(json!({
        "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
        "tid": TENANT,
        "azp": CLIENT,
        "azpacr": "2",
        "oid": "billing",
        "roles": ["Transfers.Reject"],
        "ver": "2.0",
    }));
    change(&mut claims, changed);
    claims
}

/// A world that takes tokens of one tenant of Entra ID.
async fn entra(change: impl FnOnce(&mut IssuerSettings)) -> World {
    let issuer = Issuer::new();
    let discovery = json!({
        "issuer": format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
        "jwks_uri": format!("{ISSUER}/jwks"),
    });
    issuer.answer("/.well-known/openid-configuration", 200, &discovery);
    world_with(&issuer, |settings| {
        settings.issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
        "oid".clone_into(&mut settings.principal_claim);
        change(settings);
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn knows_an_application_of_the_tenant_by_its_role() {
    let world = entra(|settings| {
        settings.demands.roles = ["Transfers.Reject".to_owned(), "Admin".to_owned()].into();
    })
    .await;

    names(&world, &application(json!({})), "billing").await;
    names(
        &world,
        &application(json!({"roles": ["x", "Admin"]})),
        "billing",
    )
    .await;
    refuses_each(
        &world,
        [
            application(json!({"roles": null})),
            application(json!({"roles": []})),
            application(json!({"roles": ["Transfers.Read"]})),
            application(json!({"roles": ["transfers.reject"]})),
            application(json!({"roles": [["Admin"]]})),
            application(json!({"tid": null})),
            application(json!({"tid": "aaaaaaaa-d5be-4814-ab58-4451c36fe157"})),
            application(json!({"tid": "v2.0"})),
            application(json!({"tid": ""})),
            application(json!({"iss": "https://login.microsoftonline.com/aaaaaaaa-d5be-4814-ab58-4451c36fe157/v2.0"})),
            application(json!({"aud": "https://graph.microsoft.com"})),
            application(json!({"oid": null})),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn knows_an_application_of_the_tenant_by_its_client_id() {
    let world = entra(|settings| {
        settings.demands.authorized_parties = [CLIENT.to_owned()].into();
    })
    .await;

    names(&world, &application(json!({"roles": null})), "billing").await;
    let first_version =
        application(json!({"azp": null, "appid": CLIENT, "tid": TENANT.to_uppercase()}));
    names(&world, &first_version, "billing").await;
    let profiled = application(json!({"azp": null, "client_id": CLIENT}));
    names(&world, &profiled, "billing").await;
    refuses_each(
        &world,
        [
            application(json!({"azp": null})),
            application(json!({"azp": TENANT})),
            application(json!({"azp": TENANT, "appid": CLIENT})),
            application(json!({"azp": CLIENT, "appid": TENANT})),
            application(json!({"azp": CLIENT, "client_id": TENANT})),
            application(json!({"azp": null, "client_id": TENANT})),
            application(json!({"azp": null, "client_id": [CLIENT]})),
            application(json!({"azp": [TENANT], "client_id": CLIENT})),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn holds_a_tenant_against_any_issuer_that_tells_one() {
    let world = world(&Issuer::new()).await;

    refuses_each(&world, [claims_with(json!({ "tid": TENANT }))]).await;
}
