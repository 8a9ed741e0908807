//! What is refused of `cluster`.

use crate::site::{ACCOUNTS, CALLERS, Site, faults};

#[test]
fn takes_servers_and_fills_in_the_rest() {
    let site = Site::new();
    let of = |cluster: &str| {
        let text = format!("{ACCOUNTS}{CALLERS}{cluster}");
        site.config(&text, &[]).cluster
    };

    let some = of(
        "cluster: {nats: {url: 'tls://a.test, tls://b.test', credentials: {file: DIR/secret}}}\n",
    );

    let some = some.unwrap();
    assert!(some.servers.are_encrypted());
    assert!(some.credentials.is_some());
    assert_eq!(
        (some.stream.as_str(), some.replicas),
        ("PARTNER_GATEWAY_AUDIT", 3)
    );
    for none in ["", "cluster:\n", "cluster: {}\n"] {
        assert!(of(none).is_none(), "{none}");
    }
}

#[test]
fn tells_of_a_way_to_the_cluster_that_others_can_listen_on() {
    let notices = |url: &str| {
        let cluster = format!("cluster: {{nats: {{url: '{url}'}}}}\n");
        Site::new().notices(&format!("{ACCOUNTS}{CALLERS}{cluster}"))
    };
    let told = "unencrypted";

    for listened_on in ["nats://nats:4222", "nats://localhost, nats://10.0.0.1"] {
        assert!(notices(listened_on).contains(told), "{listened_on}");
    }
    for private in [
        "tls://nats:4222",
        "nats://localhost, nats://127.0.0.1, nats://[::1]:4223",
    ] {
        assert!(!notices(private).contains(told), "{private}");
    }
}

#[test]
fn refuses_what_names_no_cluster() {
    let of = |cluster: &str| faults(&format!("{ACCOUNTS}{CALLERS}cluster: {cluster}\n"));

    insta::assert_snapshot!(
        [
            "{nats: {}}",
            "{nats: {url: 'nats://user:password@nats', stream: a.b, replicas: 6}}",
            "{nats: {url: 'nats://nats', credentials: SUAB, ca_file: DIR/absent}}",
            "{redis: {}}",
        ]
        .map(of)
        .join("\n")
    );
}
