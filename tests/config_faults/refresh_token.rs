//! Where the refresh token of an App+User account is kept.

use partner_gateway::{
    secret::SecretSource,
    token::{Flow, credential, refresh_store::Settings},
};

use crate::site::{ACCOUNTS, CALLERS, Site};

#[test]
fn wants_a_store_for_a_user_and_none_without() {
    let site = Site::new();
    let texts = [
        "flow: app_user",
        "refresh_token: {file: DIR/token}",
        "flow: app\n    refresh_token: {file: DIR/token}",
        "flow: app_user\n    refresh_token: {}",
        "flow: app_user\n    refresh_token: {file: DIR/token, key_vault: {}}",
        "flow: app_user\n    refresh_token: {vault: {}}",
        "flow: app_user\n    refresh_token: DIR/token",
    ];

    insta::assert_snapshot!(site.faults_of_each(texts.map(account)), @"
    config.yaml:2: accounts.contoso.refresh_token: is missing; accepted: a section with exactly one of file, kubernetes_secret, nats, key_vault
    config.yaml:3: accounts.contoso.refresh_token: has no use without flow app_user; accepted: nothing, leave it out
    config.yaml:4: accounts.contoso.refresh_token: has no use without flow app_user; accepted: nothing, leave it out
    config.yaml:4: accounts.contoso.refresh_token: found none; accepted: exactly one of file, kubernetes_secret, nats, key_vault
    config.yaml:4: accounts.contoso.refresh_token: found several; accepted: exactly one of file, kubernetes_secret, nats, key_vault
    config.yaml:4: accounts.contoso.refresh_token: found none; accepted: exactly one of file, kubernetes_secret, nats, key_vault
    config.yaml:4: accounts.contoso.refresh_token.vault: unknown key; accepted: file, key_vault, kubernetes_secret, nats
    config.yaml:4: accounts.contoso.refresh_token: found a single value; accepted: a section with keys of its own
    ");
}

#[test]
fn refuses_a_file_that_everyone_can_read() {
    let site = Site::new();
    site.write("token", "1.token", 0o604);
    let text = account("flow: app_user\n    refresh_token: {file: DIR/token}");

    insta::assert_snapshot!(site.faults(&text, &[]), @r#"config.yaml:4: accounts.contoso.refresh_token.file: "DIR/token" can be read by everyone (mode 0604); accepted: a file closed to others, such as mode 0640, or a projected volume"#);
}

#[test]
fn refuses_a_file_in_which_something_else_stands() {
    let site = Site::new();
    let texts = ["DIR/secret", "DIR/./secret", "DIR/config.yaml"].map(|file| {
        account(&format!(
            "flow: app_user\n    refresh_token: {{file: {file}}}"
        ))
    });

    insta::assert_snapshot!(site.faults_of_each(texts), @r#"
    config.yaml:4: accounts.contoso.refresh_token.file: the gateway reads something else from this file; accepted: a file of its own
    config.yaml:4: accounts.contoso.refresh_token.file: the gateway reads something else from this file; accepted: a file of its own
    config.yaml:4: accounts.contoso.refresh_token.file: "config.yaml" can be read by everyone (mode 0644); accepted: a file closed to others, such as mode 0640, or a projected volume
    config.yaml:4: accounts.contoso.refresh_token.file: the gateway reads something else from this file; accepted: a file of its own
    "#);
}

#[test]
fn takes_a_file_that_is_not_there_yet_and_tells_of_it() {
    let site = Site::new();
    let text = account("flow: app_user\n    refresh_token: {file: DIR/token}");

    let absent = site.notices(&text);
    site.write("token", "1.token", 0o600);
    let present = site.notices(&text);

    insta::assert_snapshot!(absent, @"
    config.yaml: policy: no rule grants anything, so every call is refused
    config.yaml:4: accounts.contoso.refresh_token.file: no refresh token is there yet; `partner-gateway login` puts one there
    ");
    insta::assert_snapshot!(present, @"config.yaml: policy: no rule grants anything, so every call is refused");
    let config = site.config(&text, &[]);
    let Flow::AppUser(Settings::File(path)) = &config.accounts[0].token.flow else {
        panic!("{:?}", config.accounts[0].token.flow)
    };
    assert_eq!(*path, site.path("token"));
}

#[test]
fn refuses_names_that_no_secret_can_have() {
    let site = Site::new();
    let texts = [
        "{}",
        "{namespace: Partner, name: -token, key: a/b}",
        "{namespace: partner, name: token., key: ..}",
        "{namespace: partner, name: token, key: token, version: 1}",
    ]
    .map(|secret| {
        account(&format!(
            "flow: app_user\n    refresh_token: {{kubernetes_secret: {secret}}}"
        ))
    });

    insta::assert_snapshot!(site.faults_of_each(texts), @r#"
    config.yaml:4: accounts.contoso.refresh_token.kubernetes_secret.namespace: is missing; accepted: the name of a Kubernetes object
    config.yaml:4: accounts.contoso.refresh_token.kubernetes_secret.name: is missing; accepted: the name of a Kubernetes object
    config.yaml:4: accounts.contoso.refresh_token.kubernetes_secret.key: is missing; accepted: letters, digits, hyphens, full stops and underscores
    config.yaml:4: accounts.contoso.refresh_token.kubernetes_secret.namespace: found "Partner"; accepted: the name of a Kubernetes object
    config.yaml:4: accounts.contoso.refresh_token.kubernetes_secret.name: found "-token"; accepted: the name of a Kubernetes object
    config.yaml:4: accounts.contoso.refresh_token.kubernetes_secret.key: found "a/b"; accepted: letters, digits, hyphens, full stops and underscores
    config.yaml:4: accounts.contoso.refresh_token.kubernetes_secret.name: found "token."; accepted: the name of a Kubernetes object
    config.yaml:4: accounts.contoso.refresh_token.kubernetes_secret.key: found ".."; accepted: letters, digits, hyphens, full stops and underscores
    config.yaml:4: accounts.contoso.refresh_token.kubernetes_secret.version: unknown key; accepted: key, name, namespace
    "#);
}

#[test]
fn refuses_a_store_that_two_accounts_share() {
    let site = Site::new();
    let pod = [
        ("AZURE_CLIENT_ID", "0b1f6a0e-6b1c-4f0e-9f5e-0c2f1b7e9d34"),
        ("AZURE_TENANT_ID", "contoso.com"),
        ("AZURE_FEDERATED_TOKEN_FILE", "DIR/secret"),
    ];
    std::os::unix::fs::symlink(site.path("."), site.path("here")).expect("a link");
    site.write("key", "a".repeat(64), 0o600);
    let stores = [
        ["{file: DIR/token}", "{file: DIR/./token}"],
        ["{file: DIR/token}", "{file: DIR/here/token}"],
        [
            "{kubernetes_secret: {namespace: partner, name: token, key: a}}",
            "{kubernetes_secret: {namespace: partner, name: token, key: b}}",
        ],
        [
            "{key_vault: {vault_url: 'https://partner.vault.azure.net', secret: token}}",
            "{key_vault: {vault_url: 'https://Partner.vault.azure.net:443/', secret: Token}}",
        ],
        [
            "{nats: {bucket: partner, key: token, encryption_key: {file: DIR/key}}}",
            "{nats: {bucket: partner, key: token, encryption_key: {file: DIR/key}}}",
        ],
    ];
    let told = stores.map(|stores| site.faults(&two_accounts(stores), &pod));

    insta::assert_snapshot!(told.join("\n"), @"
    config.yaml:10: accounts.fabrikam.refresh_token: keeps the refresh token of accounts.contoso, too; accepted: a file of its own
    config.yaml:10: accounts.fabrikam.refresh_token: keeps the refresh token of accounts.contoso, too; accepted: a file of its own
    config.yaml:10: accounts.fabrikam.refresh_token: keeps the refresh token of accounts.contoso, too; accepted: a Secret of its own, whatever the key
    config.yaml:10: accounts.fabrikam.refresh_token: keeps the refresh token of accounts.contoso, too; accepted: a vault's secret of its own
    config.yaml: 3 faults
    config.yaml:4: accounts.contoso.refresh_token.nats: nats without cluster.nats; accepted: both, or another store
    config.yaml:10: accounts.fabrikam.refresh_token.nats: nats without cluster.nats; accepted: both, or another store
    config.yaml:10: accounts.fabrikam.refresh_token: keeps the refresh token of accounts.contoso, too; accepted: a key of its own, in the same bucket or another
    ");
}

#[test]
fn takes_stores_that_differ() {
    let site = Site::new();
    for stores in [
        ["{file: DIR/token}", "{file: DIR/other}"],
        [
            "{kubernetes_secret: {namespace: partner, name: token, key: a}}",
            "{kubernetes_secret: {namespace: others, name: token, key: a}}",
        ],
        [
            "{kubernetes_secret: {namespace: partner, name: token, key: a}}",
            "{file: DIR/token}",
        ],
    ] {
        let config = site.config(&two_accounts(stores), &[]);

        assert_eq!(config.accounts.len(), 2, "{stores:?}");
    }
}

#[test]
fn tells_what_a_key_of_a_bucket_cannot_be() {
    let site = Site::new();
    site.write("key", "a".repeat(64), 0o600);
    let texts = [
        "{}",
        "{bucket: a.b, key: '*', encryption_key: {file: DIR/secret}}",
        "{bucket: a, key: a..b, encryption_key: {file: DIR/absent}}",
        "{bucket: '', key: '', encryption_key: {env: KEY}}",
        "{bucket: a, key: b, encryption_key: s3cret}",
        "{bucket: a, key: b, encryption_key: {file: DIR/key}, replicas: 3}",
    ]
    .map(|nats| {
        let user = account(&format!(
            "flow: app_user\n    refresh_token: {{nats: {nats}}}"
        ));
        format!("{user}{CLUSTER}")
    });

    insta::assert_snapshot!(site.faults_of_each(texts), @r#"
    config.yaml:4: accounts.contoso.refresh_token.nats.bucket: is missing; accepted: 1 to 64 letters, digits, hyphens and underscores
    config.yaml:4: accounts.contoso.refresh_token.nats.key: is missing; accepted: 1 to 128 letters, digits, -, _, = and /, in parts with a full stop between them
    config.yaml:4: accounts.contoso.refresh_token.nats.encryption_key: is missing
    config.yaml:4: accounts.contoso.refresh_token.nats.bucket: found "a.b"; accepted: 1 to 64 letters, digits, hyphens and underscores
    config.yaml:4: accounts.contoso.refresh_token.nats.key: found "*"; accepted: 1 to 128 letters, digits, -, _, = and /, in parts with a full stop between them
    config.yaml:4: accounts.contoso.refresh_token.nats.encryption_key.file: "DIR/secret": no keys of 32 bytes in it; accepted: 64 hexadecimal digits or the base64 of 32 bytes, one key a line
    config.yaml:4: accounts.contoso.refresh_token.nats.key: found "a..b"; accepted: 1 to 128 letters, digits, -, _, = and /, in parts with a full stop between them
    config.yaml:4: accounts.contoso.refresh_token.nats.encryption_key.file: reading "DIR/absent": No such file or directory (os error 2)
    config.yaml:4: accounts.contoso.refresh_token.nats.bucket: found ""; accepted: 1 to 64 letters, digits, hyphens and underscores
    config.yaml:4: accounts.contoso.refresh_token.nats.key: found ""; accepted: 1 to 128 letters, digits, -, _, = and /, in parts with a full stop between them
    config.yaml:4: accounts.contoso.refresh_token.nats.encryption_key.file: is missing
    config.yaml:4: accounts.contoso.refresh_token.nats.encryption_key.env: unknown key; accepted: file
    config.yaml:4: accounts.contoso.refresh_token.nats.encryption_key: found a single value; accepted: a section with keys of its own
    config.yaml:4: accounts.contoso.refresh_token.nats.replicas: unknown key; accepted: bucket, encryption_key, key
    "#);
}

#[test]
fn keeps_nothing_in_a_bucket_without_a_cluster() {
    let site = Site::new();
    site.write("key", "a".repeat(64), 0o600);
    let text = account(
        "flow: app_user\n    refresh_token: {nats: {bucket: partner, key: a.token, encryption_key: {file: DIR/key}}}",
    );

    insta::assert_snapshot!(site.faults(&text, &[]), @"config.yaml:4: accounts.contoso.refresh_token.nats: nats without cluster.nats; accepted: both, or another store");
    let config = site.config(&format!("{text}{CLUSTER}"), &[]);
    match &config.accounts[0].token.flow {
        Flow::AppUser(Settings::Nats(it)) => {
            assert_eq!((&*it.bucket, &*it.key), ("partner", "a.token"));
            assert_eq!(it.encryption_key, site.path("key"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn finds_the_api_server_as_the_kubelet_names_it() {
    let site = Site::new();
    let text = account(
        "flow: app_user\n    refresh_token: {kubernetes_secret: {namespace: partner, name: token, key: t}}",
    );
    let api = |variables: &[(&str, &str)]| {
        let config = site.config(&text, variables);
        match &config.accounts[0].token.flow {
            Flow::AppUser(Settings::KubernetesSecret(secret)) => secret.api.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let named = |host| {
        [
            ("KUBERNETES_SERVICE_HOST", host),
            ("KUBERNETES_SERVICE_PORT", "443"),
        ]
    };

    assert_eq!(api(&[]), "https://kubernetes.default.svc/");
    assert_eq!(api(&named("10.0.0.1")), "https://10.0.0.1:443/");
    assert_eq!(api(&named("fd00::1")), "https://[fd00::1]:443/");
}

#[test]
fn refuses_an_api_server_that_is_nowhere() {
    let site = Site::new();
    let text = account(
        "flow: app_user\n    refresh_token: {kubernetes_secret: {namespace: partner, name: token, key: t}}",
    );
    let told = [("", "443"), ("10.0.0.1", ""), ("10.0.0.1/", "443")].map(|(host, port)| {
        let variables = [
            ("KUBERNETES_SERVICE_HOST", host),
            ("KUBERNETES_SERVICE_PORT", port),
        ];
        site.faults(&text, &variables)
    });

    insta::assert_snapshot!(told.join("\n"), @r#"
    config.yaml:4: accounts.contoso.refresh_token.kubernetes_secret: found "" in KUBERNETES_SERVICE_HOST and "443" in KUBERNETES_SERVICE_PORT; accepted: where the API server is, as the kubelet names it, or neither
    config.yaml:4: accounts.contoso.refresh_token.kubernetes_secret: found "10.0.0.1" in KUBERNETES_SERVICE_HOST and "" in KUBERNETES_SERVICE_PORT; accepted: where the API server is, as the kubelet names it, or neither
    config.yaml:4: accounts.contoso.refresh_token.kubernetes_secret: found "10.0.0.1/" in KUBERNETES_SERVICE_HOST and "443" in KUBERNETES_SERVICE_PORT; accepted: where the API server is, as the kubelet names it, or neither
    "#);
}

#[test]
fn refuses_a_vault_that_is_none_and_a_pod_without_an_identity() {
    let site = Site::new();
    let texts = [
        "{}",
        "{vault_url: 'https://vault.azure.net', secret: a_b}",
        "{vault_url: 'https://partner.vault.example', secret: ''}",
        "{vault_url: 'http://partner.vault.azure.net', secret: token}",
        "{vault_url: 'https://partner.vault.azure.net/secrets', secret: token}",
    ]
    .map(|vault| {
        account(&format!(
            "flow: app_user\n    refresh_token: {{key_vault: {vault}}}"
        ))
    });

    insta::assert_snapshot!(site.faults_of_each(texts), @r#"
    config.yaml:4: accounts.contoso.refresh_token.key_vault.vault_url: is missing; accepted: https:// (http:// only on loopback), a host and perhaps a port, nothing else
    config.yaml:4: accounts.contoso.refresh_token.key_vault.secret: is missing; accepted: 1 to 127 letters, digits and hyphens
    config.yaml:4: accounts.contoso.refresh_token.key_vault: AZURE_TENANT_ID is not set
    config.yaml:4: accounts.contoso.refresh_token.key_vault: AZURE_CLIENT_ID is not set
    config.yaml:4: accounts.contoso.refresh_token.key_vault: AZURE_FEDERATED_TOKEN_FILE is not set; accepted: a pod with workload identity
    config.yaml:4: accounts.contoso.refresh_token.key_vault.vault_url: found "https://vault.azure.net"; accepted: the URL of a vault, such as https://partner.vault.azure.net, in vault.azure.net, vault.azure.cn, vault.usgovcloudapi.net, vault.microsoftazure.de
    config.yaml:4: accounts.contoso.refresh_token.key_vault.secret: found "a_b"; accepted: 1 to 127 letters, digits and hyphens
    config.yaml:4: accounts.contoso.refresh_token.key_vault: AZURE_TENANT_ID is not set
    config.yaml:4: accounts.contoso.refresh_token.key_vault: AZURE_CLIENT_ID is not set
    config.yaml:4: accounts.contoso.refresh_token.key_vault: AZURE_FEDERATED_TOKEN_FILE is not set; accepted: a pod with workload identity
    config.yaml:4: accounts.contoso.refresh_token.key_vault.vault_url: found "https://partner.vault.example"; accepted: the URL of a vault, such as https://partner.vault.azure.net, in vault.azure.net, vault.azure.cn, vault.usgovcloudapi.net, vault.microsoftazure.de
    config.yaml:4: accounts.contoso.refresh_token.key_vault.secret: found ""; accepted: 1 to 127 letters, digits and hyphens
    config.yaml:4: accounts.contoso.refresh_token.key_vault: AZURE_TENANT_ID is not set
    config.yaml:4: accounts.contoso.refresh_token.key_vault: AZURE_CLIENT_ID is not set
    config.yaml:4: accounts.contoso.refresh_token.key_vault: AZURE_FEDERATED_TOKEN_FILE is not set; accepted: a pod with workload identity
    config.yaml:4: accounts.contoso.refresh_token.key_vault.vault_url: found "http://partner.vault.azure.net"; accepted: https:// (http:// only on loopback), a host and perhaps a port, nothing else
    config.yaml:4: accounts.contoso.refresh_token.key_vault: AZURE_TENANT_ID is not set
    config.yaml:4: accounts.contoso.refresh_token.key_vault: AZURE_CLIENT_ID is not set
    config.yaml:4: accounts.contoso.refresh_token.key_vault: AZURE_FEDERATED_TOKEN_FILE is not set; accepted: a pod with workload identity
    config.yaml:4: accounts.contoso.refresh_token.key_vault.vault_url: found "https://partner.vault.azure.net/secrets"; accepted: https:// (http:// only on loopback), a host and perhaps a port, nothing else
    config.yaml:4: accounts.contoso.refresh_token.key_vault: AZURE_TENANT_ID is not set
    config.yaml:4: accounts.contoso.refresh_token.key_vault: AZURE_CLIENT_ID is not set
    config.yaml:4: accounts.contoso.refresh_token.key_vault: AZURE_FEDERATED_TOKEN_FILE is not set; accepted: a pod with workload identity
    "#);
}

#[test]
fn tells_which_variable_of_the_pod_a_vault_cannot_be_reached_by() {
    let site = Site::new();
    let text = account(
        "flow: app_user\n    refresh_token: {key_vault: {vault_url: 'https://partner.vault.azure.net', secret: token}}",
    );
    let odd = [
        ("AZURE_TENANT_ID", "common"),
        ("AZURE_CLIENT_ID", "none"),
        ("AZURE_AUTHORITY_HOST", "login.microsoftonline.us"),
        ("AZURE_FEDERATED_TOKEN_FILE", "DIR/absent"),
    ];

    insta::assert_snapshot!(site.faults(&text, &odd), @r#"
    config.yaml: 4 faults
    config.yaml:4: accounts.contoso.refresh_token.key_vault: found "common" in AZURE_TENANT_ID; accepted: the GUID or a verified domain of one tenant
    config.yaml:4: accounts.contoso.refresh_token.key_vault: found "none" in AZURE_CLIENT_ID; accepted: a GUID of 8-4-4-4-12 hexadecimal digits, not all zero
    config.yaml:4: accounts.contoso.refresh_token.key_vault: found "login.microsoftonline.us" in AZURE_AUTHORITY_HOST; accepted: https:// (http:// only on loopback), a host and perhaps a port, nothing else
    config.yaml:4: accounts.contoso.refresh_token.key_vault: reading "DIR/absent": No such file or directory (os error 2)
    "#);
}

#[test]
fn shows_itself_to_a_vault_as_the_pod_and_tells_that_replicas_should_not_share_it() {
    let site = Site::new();
    let text = account(
        "flow: app_user\n    refresh_token: {key_vault: {vault_url: 'https://partner.vault.azure.cn', secret: token}}",
    );

    let loaded = site
        .load(
            &text,
            &[
                ("AZURE_CLIENT_ID", "0b1f6a0e-6b1c-4f0e-9f5e-0c2f1b7e9d34"),
                ("AZURE_TENANT_ID", "contoso.com"),
                (
                    "AZURE_AUTHORITY_HOST",
                    "https://login.partner.microsoftonline.cn/",
                ),
                ("AZURE_FEDERATED_TOKEN_FILE", "DIR/secret"),
            ],
        )
        .expect("sound");

    insta::assert_snapshot!(site.notices_of(&loaded), @"
    config.yaml: policy: no rule grants anything, so every call is refused
    config.yaml:4: accounts.contoso.refresh_token.key_vault: a vault compares nothing when it is written, so one replica alone should use it
    ");
    let Flow::AppUser(Settings::KeyVault(vault)) = &loaded.config.accounts[0].token.flow else {
        panic!("no vault")
    };
    assert_eq!(vault.identity.scope, "https://vault.azure.cn/.default");
    assert_eq!(
        vault.identity.authority,
        "https://login.partner.microsoftonline.cn/"
    );
    let credential::Settings::FederatedToken(SecretSource::File(file)) = &vault.identity.credential
    else {
        panic!("{:?}", vault.identity.credential)
    };
    assert_eq!(*file, site.path("secret"));
}

fn two_accounts(stores: [&str; 2]) -> String {
    let [one, other] = stores.map(|store| {
        let store = format!("    flow: app_user\n    refresh_token: {store}\n    tenant_id");
        ACCOUNTS.replace("    tenant_id", &store)
    });
    let other = other
        .replace("accounts:\n", "")
        .replace("contoso", "fabrikam");
    format!("{one}{other}{CALLERS}default_account: contoso\n")
}

fn account(more: &str) -> String {
    let accounts = ACCOUNTS.replace("    tenant_id", &format!("    {more}\n    tenant_id"));
    format!("{accounts}{CALLERS}")
}

const CLUSTER: &str = "cluster: {nats: {url: 'nats://nats'}}\n";
