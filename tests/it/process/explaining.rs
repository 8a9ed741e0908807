//! What `check --explain` says, and that the gateway does the same.

use super::site::Site;
use crate::harness::{BILLING, CUSTOMER, TRANSFER, process::Ended};

#[tokio::test]
async fn explains_what_the_gateway_does() {
    let site = two_accounts().await;
    let gateway = site.start().await;

    for (caller, customer, account, code, told) in [
        ("billing", CUSTOMER, Some("contoso"), 0, ALLOWED),
        ("billing", CUSTOMER, None, 2, NOT_THROUGH_THE_DEFAULT),
        (
            "billing",
            CUSTOMER,
            Some("fabrikam"),
            2,
            NOT_THROUGH_THE_DEFAULT,
        ),
        ("billing", CUSTOMER, Some("nobody"), 2, NO_ACCOUNT),
        ("billing", OTHER, Some("contoso"), 2, NOT_GRANTED),
        ("stranger", CUSTOMER, None, 2, STRANGER),
        ("stranger", CUSTOMER, Some("contoso"), 2, NAMING_STRANGER),
    ] {
        let explained = explain(&site, caller, customer, account).await;
        let token = if caller == "billing" {
            BILLING
        } else {
            "stranger-token"
        };
        let called = gateway.call_for(customer, TRANSFER, token, account).await;

        let called = called.unwrap();
        let (sound, said) = explained.stdout.split_once('\n').unwrap();
        assert!(sound.ends_with("gateway.yaml: sound"), "{explained:?}");
        let dir = site.path("").display().to_string();
        assert_eq!(said.replace(&dir, "DIR/"), told);
        assert_eq!(explained.code, Some(code), "{explained:?}");
        let record = &site.journal().outcome(&called.audit_id);
        let rule = record["rule"]
            .as_str()
            .map(|rule| format!("rule: \"{rule}\" at"));
        assert!(
            said.contains(rule.as_deref().unwrap_or("rule: none")),
            "{said}"
        );
        let answered = match called.body["code"].as_str() {
            Some(code) => format!("code: {} {code}\n", called.status),
            None => "code: none of policy's\n".to_owned(),
        };
        assert!(said.ends_with(&answered), "{called:?}: {said}");
    }
}

#[tokio::test]
async fn tells_the_rate_under_the_rule_that_decides() {
    let site = Site::new().await;
    site.edit(
        "accounts: [contoso]\n",
        "accounts: [contoso]\n    rate: {per_second: 20, burst: 40}\n",
    );

    let explained = explain(&site, "billing", CUSTOMER, None).await;

    assert_eq!(explained.code, Some(0), "{explained:?}");
    let rate = "rate: 20 a second, 40 at once; beyond it 429 rate_limited\n";
    assert!(explained.stdout.contains(rate), "{explained:?}");
}

#[tokio::test]
async fn tells_rules_that_never_decide_and_starts_all_the_same() {
    let site = Site::new().await;
    let again = format!(
        "accounts: [contoso]
  - name: once more
    principals: [billing]
    operations: [transfers.reject]
    customers: [{CUSTOMER}]
    accounts: [contoso]
"
    );
    site.edit("accounts: [contoso]\n", &again);
    let notice = "gateway.yaml:16: policy[1]: never decides: ";

    let checked = site.spawn("check").ended().await;
    let gateway = site.start().await;

    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stdout.contains(notice), "{checked:?}");
    assert!(gateway.process.stderr().contains(notice));
    assert_eq!(gateway.reject(TRANSFER).await.status, 200);
}

#[tokio::test]
async fn decides_nothing_by_a_configuration_that_is_unsound() {
    let site = Site::new().await;
    site.edit("audit: {", "audti: {");

    let explained = explain(&site, "billing", CUSTOMER, None).await;

    assert_eq!(explained.code, Some(1), "{explained:?}");
    assert!(!explained.stdout.contains("decision"), "{explained:?}");
}

#[tokio::test]
async fn understands_no_half_question() {
    let site = Site::new().await;
    let whole = |customer: &'static str, operation: &'static str| {
        let call = ["--principal", "a", "--customer", customer];
        [&call[..], &["--operation", operation]].concat()
    };

    for arguments in [
        vec!["--explain"],
        vec!["--explain", "--principal", "billing"],
        vec!["--principal", "billing"],
        vec!["--account", "contoso"],
        whole(CUSTOMER, "transfers.reject"),
        [vec!["--explain"], whole("fabrikam", "transfers.reject")].concat(),
        [vec!["--explain"], whole(CUSTOMER, "reject")].concat(),
        [
            vec!["--explain", "--online"],
            whole(CUSTOMER, "transfers.reject"),
        ]
        .concat(),
    ] {
        let ended = site.spawn_with("check", &arguments).ended().await;

        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.starts_with("error: "), "{ended:?}");
        assert!(ended.stdout.is_empty(), "{ended:?}");
    }
}

/// A site with a second account, which is the default one and in no rule.
async fn two_accounts() -> Site {
    let site = Site::new().await;
    let settings = sandbox::Settings::default();
    let upstream = site.upstream();
    let second = format!(
        "  fabrikam:
    tenant_id: {}
    client_id: {}
    credential: {{client_secret: {{file: {}}}}}
    endpoints: {upstream}
default_account: fabrikam
callers:",
        settings.tenant,
        settings.client_id,
        site.path("client-secret").display(),
    );
    site.edit("callers:", &second);
    site
}

async fn explain(site: &Site, caller: &str, customer: &str, account: Option<&str>) -> Ended {
    let call = ["--explain", "--principal", caller, "--customer", customer];
    let mut arguments = [&call[..], &["--operation", "transfers.reject"]].concat();
    arguments.extend(account.iter().flat_map(|name| ["--account", name]));
    site.spawn_with("check", &arguments).ended().await
}

const OTHER: &str = "11111111-2222-4333-8444-555555555555";

const ALLOWED: &str = "\
account: \"contoso\"
decision: allowed
rule: \"billing may reject\" at DIR/gateway.yaml:17: policy[0]
code: none of policy's
";

const NOT_THROUGH_THE_DEFAULT: &str = "\
account: \"fabrikam\"
decision: denied
rule: none
reason: no rule grants this account
code: 403 account_forbidden
";

const NO_ACCOUNT: &str = "\
account: \"nobody\"
decision: denied
rule: none
reason: there is no such account
code: 403 account_forbidden
";

const NOT_GRANTED: &str = "\
account: \"contoso\"
decision: denied
rule: none
reason: no rule grants this
code: 403 policy_denied
";

const STRANGER: &str = "\
account: \"fabrikam\"
decision: denied
rule: none
reason: no rule names the caller
code: 403 policy_denied
";

const NAMING_STRANGER: &str = "\
account: \"contoso\"
decision: denied
rule: none
reason: no rule names the caller
code: 403 account_forbidden
";
