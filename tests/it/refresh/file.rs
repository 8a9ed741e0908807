//! The refresh token grant over a file.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    time::{Duration, SystemTime},
};

use partner_gateway::token::Version;
use sandbox::{Fault, Rotation, Target};
use serde_json::Value;

use super::{
    AFTERWARDS, acting_for_a_user, anothers, call, for_a_user, has_no_token, is_served, keep, kept,
    passing, read, sandbox,
};
use crate::harness::{World, served::until, tempdir};

#[tokio::test(start_paused = true)]
async fn asks_entra_as_each_version_documents() {
    for (version, path, expected) in [
        (
            Version::V2,
            "oauth2/v2.0/token",
            vec![(
                "scope",
                "https://api.partnercenter.microsoft.com/.default offline_access",
            )],
        ),
        (
            Version::V1,
            "oauth2/token",
            vec![
                ("scope", "openid"),
                ("resource", "https://api.partnercenter.microsoft.com"),
            ],
        ),
    ] {
        let sandbox = sandbox();
        let (_dir, store) = kept(&sandbox.consent(true));
        let world = World::over(sandbox, tempdir(), |config| {
            for_a_user(config, store);
            config.accounts[0].token.version = version;
        })
        .await;

        let answer = call(&world).await;

        assert_eq!(answer.status, 200);
        let asked = world.sandbox.token_requests();
        let [asked] = &asked[..] else {
            panic!("one token request")
        };
        assert!(asked.path.ends_with(path), "{}", asked.path);
        let names: BTreeSet<_> = asked.form.iter().map(|(name, _)| name.as_str()).collect();
        let usual = ["client_id", "client_secret", "grant_type", "refresh_token"];
        let own = expected.iter().map(|(name, _)| *name);
        assert_eq!(names, own.chain(usual).collect());
        for (name, value) in [("grant_type", "refresh_token")]
            .into_iter()
            .chain(expected)
        {
            assert!(
                asked.form.contains(&(name.to_owned(), value.to_owned())),
                "{name}"
            );
        }
        assert_eq!(answer.record["flow"], "app_user");
    }
}

#[tokio::test(start_paused = true)]
async fn keeps_each_new_token_in_place_of_the_one_presented() {
    let sandbox = sandbox();
    sandbox.set_rotation(Rotation::Strict);
    let (dir, store) = kept(&sandbox.consent(true));
    let world = acting_for_a_user(sandbox, store).await;

    for presented in 1..=5 {
        is_served(&call(&world).await);

        assert_eq!(world.sandbox.refresh_tokens_presented().len(), presented);
        assert!(world.sandbox.is_current_refresh_token(&read(&dir)));
        tokio::time::advance(AFTERWARDS).await;
    }

    let presented = world.sandbox.refresh_tokens_presented();
    assert_eq!(presented.iter().collect::<BTreeSet<_>>().len(), 5);
    let mut left: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["refresh-token", "refresh-token.lock"]);
}

#[tokio::test(start_paused = true)]
async fn presents_the_successor_that_a_crash_left_complete_and_no_torn_one() {
    for (left, presented) in [("\n", 2), ("\n      ", 2), ("", 1)] {
        let sandbox = sandbox();
        sandbox.set_rotation(Rotation::Strict);
        let (dir, store) = kept(&sandbox.consent(true));
        let old = read(&dir);
        let path = dir.path().join("refresh-token");
        if presented == 2 {
            // What a gateway that is killed right before the rename leaves.
            let gone = acting_for_a_user(sandbox.clone(), store.clone()).await;
            is_served(&call(&gone).await);
            let new = read(&dir);
            keep(&path, &old);
            keep(&dir.path().join("refresh-token.next"), &(new + left));
        } else {
            let torn: String = old.chars().take(20).collect();
            keep(&dir.path().join("refresh-token.next"), &torn);
        }
        let world = acting_for_a_user(sandbox, store).await;

        is_served(&call(&world).await);

        let shown = world.sandbox.refresh_tokens_presented();
        let different: BTreeSet<_> = shown.iter().collect();
        assert_eq!((shown.len(), different.len()), (presented, presented));
        assert!(world.sandbox.is_current_refresh_token(&read(&dir)));
    }
}

#[tokio::test(start_paused = true)]
async fn goes_on_with_the_old_token_where_no_new_one_comes() {
    let sandbox = sandbox();
    sandbox.set_rotation(Rotation::None);
    let (dir, store) = kept(&sandbox.consent(true));
    let first = read(&dir);
    let file = fs::File::open(dir.path().join("refresh-token")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let world = acting_for_a_user(sandbox, store).await;

    is_served(&call(&world).await);
    tokio::time::advance(AFTERWARDS).await;
    is_served(&call(&world).await);

    assert_eq!(read(&dir), first);
    let kept = fs::metadata(dir.path().join("refresh-token")).unwrap();
    assert_ne!(
        kept.modified().unwrap(),
        SystemTime::UNIX_EPOCH,
        "its use renews it"
    );
    assert_eq!(world.sandbox.refresh_tokens_presented().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn keeps_the_new_token_of_an_answer_whose_access_token_is_odd() {
    let field = |name: &str, value| Fault::TokenField {
        name: name.to_owned(),
        value,
    };
    let value = "https://graph.windows.net".to_owned();
    for fault in [
        field("token_type", "mac".into()),
        field("token_type", Value::Null),
        field("access_token", Value::Null),
        field("access_token", 7.into()),
        field("expires_in", "soon".into()),
        Fault::Audience { value },
    ] {
        let told = format!("{fault:?}");
        let sandbox = sandbox();
        sandbox.set_rotation(Rotation::Strict);
        let (dir, store) = kept(&sandbox.consent(true));
        sandbox.push_fault(Target::Token, fault);
        let world = acting_for_a_user(sandbox, store).await;

        has_no_token(&call(&world).await);
        let rotated = world.sandbox.is_current_refresh_token(&read(&dir));
        tokio::time::advance(Duration::from_mins(2)).await;
        let healed = call(&world).await;

        assert!(rotated, "{told}");
        assert_eq!(healed.status, 200, "{told}");
        assert_eq!(world.sandbox.refresh_tokens_presented().len(), 2, "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn keeps_nothing_of_an_answer_that_is_anothers() {
    let sandbox = sandbox();
    let (dir, store) = kept(&sandbox.consent(true));
    let first = read(&dir);
    sandbox.push_fault(Target::Token, anothers());
    let world = acting_for_a_user(sandbox, store).await;

    has_no_token(&call(&world).await);
    let kept = read(&dir);
    tokio::time::advance(Duration::from_mins(2)).await;
    let later = call(&world).await;

    assert_eq!(kept, first);
    assert_eq!(later.status, 200);
    let presented = world.sandbox.refresh_tokens_presented();
    assert_eq!(presented.len(), 2);
    assert_eq!(presented[0], presented[1]);
}

#[tokio::test(start_paused = true)]
async fn tries_at_once_what_a_person_has_kept_while_the_old_one_was_refused() {
    let sandbox = sandbox();
    let (dir, store) = kept(&sandbox.consent(true));
    sandbox.revoke_consent();
    sandbox.push_fault(Target::Token, Fault::Delay { ms: 500 });
    let world = acting_for_a_user(sandbox, store).await;
    let mut calling = Box::pin(world.reject().send());

    assert!(futures_util::poll!(&mut calling).is_pending());
    until(|| world.sandbox.token_requests().len() == 1).await;
    keep(
        &dir.path().join("refresh-token"),
        &world.sandbox.consent(true),
    );
    let answer = passing(calling).await;

    assert_eq!(answer.status, 200);
    assert_eq!(world.sandbox.refresh_tokens_presented().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn leaves_what_a_person_has_kept_while_the_old_one_was_renewed() {
    let sandbox = sandbox();
    let (dir, store) = kept(&sandbox.consent(true));
    let theirs = sandbox.consent(true);
    sandbox.push_fault(Target::Token, Fault::Delay { ms: 500 });
    let world = acting_for_a_user(sandbox, store).await;
    let mut calling = Box::pin(world.reject().send());

    assert!(futures_util::poll!(&mut calling).is_pending());
    until(|| world.sandbox.token_requests().len() == 1).await;
    keep(&dir.path().join("refresh-token"), &theirs);
    let answer = passing(calling).await;

    assert_eq!(answer.status, 200);
    assert_eq!(read(&dir), theirs);
}

#[tokio::test(start_paused = true)]
async fn takes_a_throttle_in_disguise_for_no_death() {
    let sandbox = sandbox();
    let (_dir, store) = kept(&sandbox.consent(true));
    sandbox.push_fault(
        Target::Token,
        Fault::Body {
            status: 400,
            content_type: Some("application/json".to_owned()),
            body: r#"{"error":"invalid_grant","error_codes":[50196]}"#.to_owned(),
        },
    );
    let world = acting_for_a_user(sandbox, store).await;

    has_no_token(&call(&world).await);
    tokio::time::advance(Duration::from_mins(2)).await;
    let later = call(&world).await;

    assert_eq!(later.status, 200);
    assert_eq!(world.sandbox.token_requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn presents_nothing_that_it_could_not_replace() {
    let sandbox = sandbox();
    let token = sandbox.consent(true);
    for spoil in ["link", "foreign", "occupied", "absent", "open", "empty"] {
        let (dir, store) = kept(&token);
        let path = dir.path().join("refresh-token");
        let next = dir.path().join("refresh-token.next");
        let world = acting_for_a_user(super::sandbox(), store).await;
        match spoil {
            "link" => symlink(dir.path().join("absent/next"), &next).unwrap(),
            "foreign" => {
                fs::write(&next, "another\n").unwrap();
                open_to_everyone(&next);
            }
            "occupied" => fs::create_dir(&next).unwrap(),
            "absent" => fs::remove_file(&path).unwrap(),
            "open" => open_to_everyone(&path),
            _ => fs::write(&path, "\n").unwrap(),
        }

        has_no_token(&call(&world).await);
        let presented = world.sandbox.token_requests().len();
        match spoil {
            "link" | "foreign" => fs::remove_file(&next).unwrap(),
            "occupied" => fs::remove_dir(&next).unwrap(),
            _ => {}
        }
        keep(&path, &world.sandbox.consent(true));
        tokio::time::advance(Duration::from_mins(2)).await;

        assert_eq!(presented, 0, "{spoil}");
        assert_eq!(call(&world).await.status, 200, "{spoil}");
    }
}

#[tokio::test(start_paused = true)]
async fn overwrites_nothing_with_a_token_that_could_not_be_read_again() {
    let sandbox = sandbox();
    let (dir, store) = kept(&sandbox.consent(true));
    let before = read(&dir);
    let name = "refresh_token".to_owned();
    let value = "x".repeat(1 << 16).into();
    sandbox.push_fault(Target::Token, Fault::TokenField { name, value });
    let world = acting_for_a_user(sandbox, store).await;

    has_no_token(&call(&world).await);
    let kept_since = read(&dir);
    tokio::time::advance(Duration::from_mins(2)).await;
    has_no_token(&call(&world).await);
    let presented = world.sandbox.refresh_tokens_presented().len();
    let path = dir.path().join("refresh-token");
    keep(&path, &world.sandbox.consent(true));
    tokio::time::advance(Duration::from_mins(2)).await;
    let mended = call(&world).await;

    assert!(kept_since == before, "it was overwritten");
    assert_eq!(presented, 1, "the old one was presented again");
    assert_eq!(mended.status, 200);
}

fn open_to_everyone(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;

    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
}
