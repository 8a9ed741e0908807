//! An issuer whose keys come from another place while the gateway runs.

use std::{fs, path::Path};

use partner_gateway::identity::{
    issuer::IssuerSettings, key_source::KeySourceSettings, published::Published,
};
use serde_json::json;

use crate::harness::{
    World, config,
    issuer::{Issuer, Key, claims, next_rsa, rsa, settings},
};

#[tokio::test(start_paused = true)]
async fn believes_no_key_from_where_an_issuer_no_longer_has_its_own() {
    let (issuer, moved) = (Issuer::new(), Issuer::new());
    moved.publish(&[next_rsa()]);
    let world = World::new().await;
    world.network.host("issuer.test", issuer.clone());
    world.network.host("moved.test", moved.clone());
    let url = |url: &str| {
        KeySourceSettings::Url(Published {
            url: url.parse().unwrap(),
            ca_file: None,
            bearer_token: None,
        })
    };
    let (one, other) = (world.dir.path().join("one"), world.dir.path().join("other"));
    let write = |path: &Path, key: &Key| {
        fs::write(path, json!({ "keys": [key.jwk()] }).to_string()).unwrap();
    };
    let go_on_with = |keys: KeySourceSettings| {
        let mut config = config(&world.dir);
        config
            .identity
            .issuers
            .push(IssuerSettings { keys, ..settings() });
        world.gateway.replaceable().replace(config).unwrap();
    };
    let knows = async |key: &Key| {
        let token = key.token(&claims());
        let call = world.reject().without("authorization").token(&token);
        call.send().await.record["principal"] == "billing"
    };

    go_on_with(url("https://issuer.test/jwks"));
    assert!(knows(rsa()).await);
    issuer.publish(&[next_rsa()]);
    go_on_with(url("https://issuer.test/jwks"));
    assert!(knows(rsa()).await, "from the same place");

    go_on_with(url("https://moved.test/jwks"));
    assert!(!knows(rsa()).await, "from another place");
    assert!(knows(next_rsa()).await);

    write(&one, rsa());
    go_on_with(KeySourceSettings::File(one.clone()));
    assert!(!knows(next_rsa()).await, "in a file and at no URL");
    assert!(knows(rsa()).await);
    write(&one, next_rsa());
    go_on_with(KeySourceSettings::File(one));
    assert!(knows(rsa()).await, "in the same file a moment ago");

    write(&other, next_rsa());
    go_on_with(KeySourceSettings::File(other));
    assert!(!knows(rsa()).await, "in another file");
    assert!(knows(next_rsa()).await);
}
