//! `login` as a process: what it says, with which code it ends, and what is kept then.

mod telling;

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use sandbox::{Decision, Fault, Rotation, Target};

use super::site::{PROGRAM, Site, private};
use crate::harness::process::{Ended, Process, within};

#[tokio::test]
async fn stores_the_refresh_token_of_whoever_consents() {
    let site = site().await;

    let (process, code) = shown(&site, log_in(&site)).await;
    site.sandbox
        .decide_device(&code, Decision::Approve { mfa: true });
    let ended = process.ended().await;

    assert_eq!(ended.code, Some(0), "{ended:?}");
    let kept = kept(&site);
    assert!(site.sandbox.is_current_refresh_token(kept.trim_end()));
    let mode = fs::metadata(site.path(KEPT)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let said = plain(&site, &ended, &code);
    assert!(!said.contains(kept.trim_end()), "{said}");
    insta::assert_snapshot!(said, @r#"
    To consent for account "contoso", open this page in any browser:

      https://microsoft.com/devicelogin

    and enter this code, which is good for 15 minutes:

      CODE

    Sign in with a second factor, as a user of tenant 3a9a35ce-d5be-4814-ab58-4451c36fe157.
    adele.vance@contoso.example consented; the refresh token is stored in file DIR/refresh-token
    ---
    waiting for the code to be entered
    "#);
}

#[tokio::test]
async fn warns_of_a_sign_in_without_a_second_factor() {
    let site = site().await;

    let (process, code) = shown(&site, log_in(&site)).await;
    site.sandbox
        .decide_device(&code, Decision::Approve { mfa: false });
    let ended = process.ended().await;

    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        site.sandbox
            .is_current_refresh_token(kept(&site).trim_end())
    );
    insta::assert_snapshot!(ended.stderr, @"
    waiting for the code to be entered
    warning: the user signed in without a second factor (no mfa in its amr claim). Partner Center refuses calls on behalf of such users with 401 and code 900421. Have MFA demanded of this user, and run this command again.
    ");
}

#[tokio::test]
async fn leaves_the_store_as_it_was_when_interrupted() {
    for signal in ["INT", "TERM"] {
        let site = site().await;
        private(&site.path(KEPT), "1.before\n");

        let (process, code) = shown(&site, log_in(&site)).await;
        process.signal(signal);
        let ended = process.ended().await;

        assert_eq!(ended.code, Some(130), "{ended:?}");
        let told = format!("partner-gateway: SIG{signal} received\nnothing was stored\n");
        assert!(ended.stderr.ends_with(&told), "{ended:?}");
        assert_eq!(kept(&site), "1.before\n");
        assert!(!site.path(&format!("{KEPT}.next")).exists());
        assert_eq!(site.sandbox.device_user_codes(), [code]);
    }
}

#[tokio::test]
async fn asks_nobody_to_consent_when_the_store_cannot_be_used() {
    let site = site().await;
    site.edit("/refresh-token}", "/gone/refresh-token}");

    let ended = log_in(&site).ended().await;

    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert_eq!(site.sandbox.token_requests().len(), 0);
    let told = ended
        .stderr
        .replace(site.path("").to_str().unwrap(), "DIR/");
    insta::assert_snapshot!(told, @r#"
    partner-gateway: the store of the refresh token cannot be used, so nobody was asked to consent: writing "DIR/gone/refresh-token.lock": No such file or directory (os error 2)
    nothing was stored
    "#);
}

#[tokio::test]
async fn tells_that_a_consent_could_not_be_stored() {
    let site = site().await;
    fs::create_dir(site.path("store")).unwrap();
    site.edit("/refresh-token}", "/store/refresh-token}");

    let (process, code) = shown(&site, log_in(&site)).await;
    fs::remove_dir_all(site.path("store")).unwrap();
    site.sandbox
        .decide_device(&code, Decision::Approve { mfa: true });
    let ended = process.ended().await;

    assert_eq!(ended.code, Some(1), "{ended:?}");
    let told = ended
        .stderr
        .replace(site.path("").to_str().unwrap(), "DIR/");
    insta::assert_snapshot!(told, @r#"
    waiting for the code to be entered
    partner-gateway: the consent was given, and its refresh token is not known to be stored: writing "DIR/store/refresh-token.lock": No such file or directory (os error 2)
    it may be stored all the same, where only the store's answer was lost
    mend: see to the store, and run this command again
    "#);
}

#[tokio::test]
async fn shows_the_time_that_is_left_on_a_terminal() {
    let site = site().await;
    let command = format!(
        "{PROGRAM} login --config {} --account contoso",
        site.config().display()
    );
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);

    let (process, code) = shown(&site, Process::spawn(&mut script)).await;
    within(async || process.stdout().contains("/ 14:")).await;
    site.sandbox
        .decide_device(&code, Decision::Approve { mfa: true });
    let ended = process.ended().await;

    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said = ended.stdout;
    assert!(said.contains("| 14:59 left"), "{said:?}");
    let (_, after) = said
        .rsplit_once("\r\u{1b}[K")
        .expect("the line is taken away");
    assert!(
        after.starts_with("adele.vance@contoso.example consented"),
        "{said:?}"
    );
}

/// A site whose account is a user's.
#[tokio::test]
async fn loses_no_refresh_token_to_a_check_that_is_interrupted() {
    let site = site().await;
    private(&site.path(KEPT), &site.sandbox.consent(true));
    site.sandbox.set_rotation(Rotation::Strict);
    site.sandbox
        .push_fault(Target::Token, Fault::Delay { ms: 500 });

    let process = site.spawn_with("check", &["--online"]);
    within(async || !site.sandbox.token_requests().is_empty()).await;
    process.signal("INT");
    let ended = process.ended().await;

    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.ends_with("SIGINT received\n"), "{ended:?}");
    assert_eq!(site.sandbox.refresh_tokens_presented().len(), 1);
    assert!(
        site.sandbox
            .is_current_refresh_token(kept(&site).trim_end())
    );
}

async fn site() -> Site {
    let site = Site::over(sandbox::Settings {
        device_interval: 0,
        ..sandbox::Settings::default()
    })
    .await;
    let dir = site.path("");
    let store = format!(
        "    flow: app_user\n    refresh_token: {{file: {}{KEPT}}}\n    endpoints:",
        dir.display()
    );
    site.edit("    endpoints:", &store);
    site
}

fn log_in(site: &Site) -> Process {
    site.spawn_with("login", &["--account", "contoso"])
}

/// Waits until a process has shown its code.
async fn shown(site: &Site, mut process: Process) -> (Process, String) {
    let mut code = None;
    within(async || {
        assert!(
            !process.has_ended(),
            "{}{}",
            process.stdout(),
            process.stderr()
        );
        let said = process.stdout();
        let pending = site.sandbox.device_user_codes();
        code = pending.into_iter().find(|code| said.contains(code));
        code.is_some() && said.contains("Sign in")
    })
    .await;
    (process, code.expect("a code"))
}

fn kept(site: &Site) -> String {
    fs::read_to_string(site.path(KEPT)).unwrap()
}

/// All that it said, without what is another each time.
fn plain(site: &Site, ended: &Ended, code: &str) -> String {
    let said = format!("{}---\n{}", ended.stdout, ended.stderr);
    let dir = site.path("");
    said.replace(code, "CODE")
        .replace(dir.to_str().unwrap(), "DIR/")
}

/// The file of the refresh token.
const KEPT: &str = "refresh-token";
