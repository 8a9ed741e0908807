//! The refresh token in a vault, to which the gateway shows a token of its own.

use std::time::Duration;

use partner_gateway::token::{
    Flow, Version,
    credential::Settings as Credential,
    refresh_store::{self, settings::KeyVault},
};
use sandbox::{Fault, Rotation, Settings, Target};

use super::{AFTERWARDS, acting_for_a_user, call, has_no_token, is_served, passing, sandbox};
use crate::harness::{log::Log, served::until};

#[tokio::test(start_paused = true)]
async fn keeps_each_new_token_as_a_version() {
    let sandbox = sandbox();
    sandbox.set_rotation(Rotation::Strict);
    sandbox.put_vault_secret("refresh-token", &sandbox.consent(true));
    let world = acting_for_a_user(sandbox, vault()).await;

    for presented in 1..=3 {
        is_served(&call(&world).await);

        assert_eq!(world.sandbox.refresh_tokens_presented().len(), presented);
        let kept = world.sandbox.vault_secret("refresh-token").unwrap();
        assert!(world.sandbox.is_current_refresh_token(&kept));
        tokio::time::advance(AFTERWARDS).await;
    }

    for seen in world.sandbox.key_vault_requests() {
        assert_eq!(seen.path, "/secrets/refresh-token?api-version=7.4");
    }
    let scopes: Vec<_> = world
        .sandbox
        .token_requests()
        .into_iter()
        .flat_map(|asked| asked.form)
        .filter(|(name, _)| name == "scope")
        .map(|(_, scope)| scope)
        .collect();
    assert_eq!(scopes[0], "https://vault.azure.net/.default");
}

#[tokio::test(start_paused = true)]
async fn shows_the_vault_another_token_where_it_refuses_one() {
    let sandbox = sandbox();
    sandbox.put_vault_secret("refresh-token", &sandbox.consent(true));
    let world = acting_for_a_user(sandbox, vault()).await;
    is_served(&call(&world).await);

    world.sandbox.revoke_tokens();
    let answer = call(&world).await;

    is_served(&answer);
    assert_eq!(world.sandbox.refresh_tokens_presented().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn leaves_a_winners_token_where_it_is() {
    let sandbox = sandbox();
    sandbox.put_vault_secret("refresh-token", &sandbox.consent(true));
    let theirs = sandbox.consent(true);
    // The first is asked for the vault's own token.
    for fault in [Fault::Pass, Fault::Delay { ms: 500 }] {
        sandbox.push_fault(Target::Token, fault);
    }
    let world = acting_for_a_user(sandbox, vault()).await;
    let mut calling = Box::pin(world.reject().send());

    assert!(futures_util::poll!(&mut calling).is_pending());
    until(|| world.sandbox.token_requests().len() == 2).await;
    world.sandbox.put_vault_secret("refresh-token", &theirs);
    let answer = passing(calling).await;

    assert_eq!(answer.status, 200);
    assert_eq!(world.sandbox.vault_secret("refresh-token"), Some(theirs));
}

#[tokio::test(start_paused = true)]
async fn loses_nothing_where_a_new_version_was_made_and_its_answer_lost() {
    let log = Log::begin();
    let sandbox = sandbox();
    sandbox.set_rotation(Rotation::Strict);
    sandbox.put_vault_secret("refresh-token", &sandbox.consent(true));
    for fault in [Fault::Pass, Fault::Pass, Fault::CommitThenSilence] {
        sandbox.push_fault(Target::KeyVault, fault);
    }
    let world = acting_for_a_user(sandbox, vault()).await;

    has_no_token(&call(&world).await);
    tokio::time::advance(Duration::from_mins(2)).await;
    let healed = call(&world).await;

    assert_eq!(healed.status, 200);
    assert_eq!(world.sandbox.refresh_tokens_presented().len(), 1);
    let kept = world.sandbox.vault_secret("refresh-token").unwrap();
    assert!(world.sandbox.is_current_refresh_token(&kept));
    let another = "another refresh token was kept meanwhile, and stays";
    assert!(log.lines(another).is_empty());
}

pub(super) fn vault() -> refresh_store::Settings {
    let Settings {
        tenant,
        client_id,
        client_secret,
        ..
    } = Settings::default();
    refresh_store::Settings::KeyVault(KeyVault {
        vault: "https://partner.vault.azure.net".parse().unwrap(),
        secret: "refresh-token".to_owned(),
        identity: Box::new(partner_gateway::token::Settings {
            authority: "https://login.test".parse().unwrap(),
            tenant,
            client_id,
            scope: "https://vault.azure.net/.default".to_owned(),
            version: Version::V2,
            credential: Credential::ClientSecret(partner_gateway::secret::SecretSource::Value(
                client_secret.into(),
            )),
            flow: Flow::App,
        }),
    })
}
