//! Where each cloud and each version of the token endpoint leads.

use std::path::Path;

use partner_gateway::{config::load::load, partner_center::AccountSettings, token::Version};
use sandbox::{Sandbox, Settings};

use super::{field, token};
use crate::harness::{World, tempdir, transport::Service};

#[tokio::test(start_paused = true)]
async fn goes_to_each_cloud_with_the_scope_of_that_cloud() {
    for (cloud, login, api) in CLOUDS {
        let sandbox = Sandbox::new(Settings {
            audience: format!("https://{api}"),
            ..Settings::default()
        });
        let world = World::over(sandbox, tempdir(), |config| {
            config.accounts = vec![account(&format!("cloud: {cloud}"))];
        })
        .await;
        // A request for any other host fails the test.
        world.network.serve(login, Service::Entra, &world.sandbox);
        world
            .network
            .serve(api, Service::PartnerCenter, &world.sandbox);

        let answer = world.reject().send().await;

        assert_eq!(answer.status, 200, "{cloud}");
        let asked = world.sandbox.token_requests();
        let [asked] = &asked[..] else {
            panic!("{cloud}: one token request")
        };
        let scope = format!("https://{api}/.default");
        assert_eq!(field(asked, "scope"), Some(scope.as_str()), "{cloud}");
        let path = format!("/{}/oauth2/v2.0/token", Settings::default().tenant);
        assert_eq!(asked.path, path, "{cloud}");
        assert_eq!(world.sandbox.seen().len(), 1, "{cloud}");
    }
}

#[tokio::test(start_paused = true)]
async fn goes_to_endpoints_of_its_own_with_a_scope_of_their_own() {
    let sandbox = Sandbox::new(Settings {
        audience: "https://partner.example".to_owned(),
        ..Settings::default()
    });
    let endpoints = "endpoints: {authority: 'https://login.example', api: 'https://api.example', \
                     scope: https://partner.example/.default}";
    let world = World::over(sandbox, tempdir(), |config| {
        config.accounts = vec![account(endpoints)];
    })
    .await;
    world
        .network
        .serve("login.example", Service::Entra, &world.sandbox);
    world
        .network
        .serve("api.example", Service::PartnerCenter, &world.sandbox);

    let answer = world.reject().send().await;

    assert_eq!(answer.status, 200);
    let asked = world.sandbox.token_requests();
    assert_eq!(
        field(&asked[0], "scope"),
        Some("https://partner.example/.default")
    );
}

#[tokio::test(start_paused = true)]
async fn asks_the_older_endpoint_for_a_resource() {
    let world = World::with(|config| token(config).version = Version::V1).await;

    let answer = world.reject().send().await;

    assert_eq!(answer.status, 200, "its numbers are in quotes");
    let asked = world.sandbox.token_requests();
    let [asked] = &asked[..] else {
        panic!("one token request")
    };
    let path = format!("/{}/oauth2/token", Settings::default().tenant);
    assert_eq!(asked.path, path);
    let resource = Settings::default().audience;
    assert_eq!(field(asked, "resource"), Some(resource.as_str()));
    assert_eq!(field(asked, "scope"), None);
    assert_eq!(field(asked, "grant_type"), Some("client_credentials"));
}

/// An account as the configuration reads it, with more said of it.
fn account(more: &str) -> AccountSettings {
    let dir = tempdir();
    let path = |name: &str| Path::join(dir.path(), name);
    let settings = Settings::default();
    let text = format!(
        "accounts:\n  contoso:\n    {more}\n    tenant_id: {}\n    client_id: {}\n    \
         credential: {{client_secret: {{env: CLIENT_SECRET}}}}\ncallers: {{anonymous: true}}\n",
        settings.tenant, settings.client_id
    );
    std::fs::write(path("gateway.yaml"), text).unwrap();
    let variables = [("CLIENT_SECRET".to_owned(), settings.client_secret)];
    let environment = variables.into_iter().collect();
    let loaded = load(&path("gateway.yaml"), &environment).unwrap();
    loaded.config.accounts.into_iter().next().unwrap()
}

/// Each cloud with its authority and its API, as Microsoft's pages have them.
const CLOUDS: [(&str, &str, &str); 4] = [
    (
        "global",
        "login.microsoftonline.com",
        "api.partnercenter.microsoft.com",
    ),
    (
        "china",
        "login.partner.microsoftonline.cn",
        "partner.partnercenterapi.microsoftonline.cn",
    ),
    (
        "germany",
        "login.microsoftonline.de",
        "api.partnercenter.microsoft.com",
    ),
    (
        "us_government",
        "login.microsoftonline.us",
        "api.partnercenter.microsoft.com",
    ),
];
