//! What users consented to, and the refresh tokens that stand for it.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use super::refusal::{Refusal, invalid_grant};
use crate::{log::Log, sandbox::Sandbox};

/// What becomes of a refresh token that is used.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Rotation {
    /// As Entra ID does it: a new one comes, the old one stays good.
    #[default]
    Entra,
    /// As strict servers do it: a new one comes, and the old one, should it come again, ends the whole
    /// consent.
    Strict,
    /// No new one comes.
    None,
}

/// All consents, ended ones included.
#[derive(Debug, Default)]
pub(crate) struct Consents {
    rotation: Rotation,
    given: Vec<Consent>,
    /// For each refresh token its consent's place in `given`.
    tokens: HashMap<String, usize>,
    presented: Log<String>,
}

#[derive(Debug)]
struct Consent {
    mfa: bool,
    newest: String,
    end: Option<End>,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Revoked,
    Reused,
}

/// What a refresh token earned.
#[derive(Debug)]
pub(super) struct Redeemed {
    pub(super) mfa: bool,
    pub(super) refresh_token: Option<String>,
}

impl Sandbox {
    /// The refresh token of a new consent by a user, who signed in with MFA or without.
    #[must_use]
    pub fn consent(&self, mfa: bool) -> String {
        self.state().consents.add(mfa)
    }

    /// Ends all consents that were given so far.
    pub fn revoke_consent(&self) {
        for consent in &mut self.state().consents.given {
            consent.end = Some(End::Revoked);
        }
    }

    /// Chooses what becomes of refresh tokens from now on.
    pub fn set_rotation(&self, rotation: Rotation) {
        self.state().consents.rotation = rotation;
    }

    /// What stands for each refresh token that was presented, in their order; equal ones for equal tokens.
    #[must_use]
    pub fn refresh_tokens_presented(&self) -> Vec<String> {
        self.state().consents.presented.all()
    }

    /// Whether a refresh token is the newest of a consent that has not ended.
    #[must_use]
    pub fn is_current_refresh_token(&self, token: &str) -> bool {
        self.state().consents.is_current(token)
    }
}

impl Consents {
    pub(super) fn add(&mut self, mfa: bool) -> String {
        let newest = new_token();
        self.tokens.insert(newest.clone(), self.given.len());
        self.given.push(Consent {
            mfa,
            newest: newest.clone(),
            end: None,
        });
        newest
    }

    /// Notes that a refresh token came, whatever comes of it.
    pub(crate) fn note(&mut self, token: &str) {
        let hash = digest(&SHA256, token.as_bytes());
        self.presented.push(URL_SAFE_NO_PAD.encode(hash));
    }

    /// Redeems a refresh token, with a new one where that is wanted.
    pub(super) fn redeem(&mut self, token: &str, renews: bool) -> Result<Redeemed, Refusal> {
        let place = self.tokens.get(token).copied();
        let consent = place.and_then(|place| self.given.get_mut(place));
        let (Some(place), Some(consent)) = (place, consent) else {
            return Err(invalid_grant(
                70_000,
                "The provided refresh token is not valid.",
            ));
        };
        if self.rotation == Rotation::Strict && consent.newest != token && consent.end.is_none() {
            consent.end = Some(End::Reused);
        }
        match consent.end {
            Some(End::Revoked) => return Err(invalid_grant(50_173, REVOKED)),
            Some(End::Reused) => {
                let told = "The provided grant was revoked, because a refresh token was reused.";
                return Err(invalid_grant(70_000, told));
            }
            None => {}
        }
        let mfa = consent.mfa;
        let renewed = renews && self.rotation != Rotation::None;
        let refresh_token = renewed.then(|| {
            let newest = new_token();
            newest.clone_into(&mut consent.newest);
            self.tokens.insert(newest.clone(), place);
            newest
        });
        Ok(Redeemed { mfa, refresh_token })
    }

    fn is_current(&self, token: &str) -> bool {
        let place = self.tokens.get(token);
        let consent = place.and_then(|place| self.given.get(*place));
        consent.is_some_and(|consent| consent.end.is_none() && consent.newest == token)
    }
}

fn new_token() -> String {
    let drawn = || Uuid::new_v4().simple();
    format!("1.sandbox-{}{}", drawn(), drawn())
}

const REVOKED: &str = "The provided grant has expired due to it being revoked, a fresh auth token is \
                       needed. The user might have changed or reset their password.";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        Fault, Settings, Target,
        trial::{Endpoint, Told, claims, post, refused, with_secret},
    };

    #[tokio::test]
    async fn gives_tokens_of_a_user_as_version_two_writes_them() {
        let sandbox = Sandbox::new(Settings::default());
        let token = sandbox.consent(true);

        let (status, body) = renew(&sandbox, &token, BOTH).await;

        assert_eq!(status, 200, "{body}");
        assert_eq!(body["expires_in"], 3600);
        assert!(
            body["scope"]
                .as_str()
                .unwrap()
                .contains("/user_impersonation")
        );
        let claims = claims(&body["access_token"]);
        assert_eq!(claims["amr"], json!(["pwd", "mfa"]));
        assert_eq!(claims["scp"], "user_impersonation");
        assert_eq!(claims["aud"], AUDIENCE);
        assert_eq!(claims["upn"], "adele.vance@contoso.example");
        assert_eq!(claims["idtyp"], Value::Null);
        assert_eq!(claims["appidacr"], "1");
    }

    #[tokio::test]
    async fn gives_tokens_of_a_user_as_version_one_writes_them() {
        let sandbox = Sandbox::new(Settings::default());
        let token = sandbox.consent(false);
        let secret = Settings::default().client_secret;
        let form = [
            ("grant_type", "refresh_token"),
            ("client_secret", &secret),
            ("refresh_token", &token),
            ("resource", AUDIENCE),
            ("scope", "openid"),
        ];

        let (status, body) = post(&sandbox, Endpoint::V1, &form).await.unwrap();

        assert_eq!(status, 200, "{body}");
        for (name, value) in [
            ("expires_in", "3600"),
            ("ext_expires_in", "3600"),
            ("resource", AUDIENCE),
            ("scope", "user_impersonation"),
            ("token_type", "Bearer"),
        ] {
            assert_eq!(body[name], value, "{name}");
        }
        assert!(body["expires_on"].is_string() && body["not_before"].is_string());
        assert_eq!(claims(&body["access_token"])["amr"], json!(["pwd"]));
        let name = &claims(&body["id_token"])["preferred_username"];
        assert_eq!(name, "adele.vance@contoso.example");
        let newest = body["refresh_token"].as_str().unwrap();
        assert!(sandbox.is_current_refresh_token(newest));
    }

    #[tokio::test]
    async fn gives_a_new_refresh_token_only_for_offline_access() {
        let sandbox = Sandbox::new(Settings::default());
        let token = sandbox.consent(true);

        let (status, body) = renew(&sandbox, &token, &format!("{AUDIENCE}/.default")).await;

        assert_eq!(status, 200);
        assert_eq!(body["refresh_token"], Value::Null);
        assert_eq!(body["id_token"], Value::Null);
        assert!(sandbox.is_current_refresh_token(&token));
    }

    #[tokio::test]
    async fn keeps_the_old_token_good_where_rotation_is_that_of_entra() {
        let sandbox = Sandbox::new(Settings::default());
        let old = sandbox.consent(true);
        let (_, body) = renew(&sandbox, &old, BOTH).await;
        let new = body["refresh_token"].as_str().unwrap();

        let current = [&old, new].map(|token| sandbox.is_current_refresh_token(token));
        let again = renew(&sandbox, &old, BOTH).await;
        let newer = renew(&sandbox, new, BOTH).await;

        assert_eq!(current, [false, true]);
        assert_eq!((again.0, newer.0), (200, 200));
        let presented = sandbox.refresh_tokens_presented();
        assert_eq!(presented.len(), 3);
        assert_eq!(presented[0], presented[1]);
        assert_ne!(presented[0], presented[2]);
        assert!(!presented.iter().any(|shown| old.contains(shown)));
    }

    #[tokio::test]
    async fn ends_the_whole_consent_where_a_strict_servers_token_is_reused() {
        let sandbox = Sandbox::new(Settings::default());
        sandbox.set_rotation(Rotation::Strict);
        let (old, other) = (sandbox.consent(true), sandbox.consent(true));
        let (_, body) = renew(&sandbox, &old, BOTH).await;
        let new = body["refresh_token"].as_str().unwrap();

        let reused = renew(&sandbox, &old, BOTH).await;
        let newest = renew(&sandbox, new, BOTH).await;
        let others = renew(&sandbox, &other, BOTH).await;

        assert_eq!(refused(&reused), (400, "invalid_grant", 70_000));
        assert_eq!(refused(&newest), (400, "invalid_grant", 70_000));
        assert!(!sandbox.is_current_refresh_token(new));
        assert_eq!(others.0, 200);
    }

    #[tokio::test]
    async fn gives_no_new_token_where_there_is_no_rotation() {
        let sandbox = Sandbox::new(Settings::default());
        sandbox.set_rotation(Rotation::None);
        let token = sandbox.consent(true);

        let (status, body) = renew(&sandbox, &token, BOTH).await;

        assert_eq!((status, &body["refresh_token"]), (200, &Value::Null));
        assert!(sandbox.is_current_refresh_token(&token));
    }

    #[tokio::test]
    async fn refuses_what_was_revoked_until_somebody_consents_again() {
        let sandbox = Sandbox::new(Settings::default());
        let token = sandbox.consent(true);
        sandbox.revoke_consent();

        let revoked = renew(&sandbox, &token, BOTH).await;
        let unknown = renew(&sandbox, "made-up", BOTH).await;
        let anew = renew(&sandbox, &sandbox.consent(true), BOTH).await;

        assert_eq!(refused(&revoked), (400, "invalid_grant", 50_173));
        assert!(!sandbox.is_current_refresh_token(&token));
        assert_eq!(refused(&unknown), (400, "invalid_grant", 70_000));
        assert_eq!(anew.0, 200);
    }

    #[tokio::test]
    async fn judges_the_scopes_before_a_token_is_rotated() {
        let sandbox = Sandbox::new(Settings::default());
        sandbox.set_rotation(Rotation::Strict);
        let token = sandbox.consent(true);
        for (scope, wanted) in [
            (
                "https://vault.azure.net/.default",
                (400, "invalid_grant", 65_001),
            ),
            (
                "https://other.example/.default",
                (400, "invalid_resource", 500_011),
            ),
            ("everything offline_access", (400, "invalid_scope", 70_011)),
        ] {
            let told = renew(&sandbox, &token, scope).await;

            assert_eq!(refused(&told), wanted, "{scope}");
            assert!(sandbox.is_current_refresh_token(&token));
        }
    }

    #[tokio::test]
    async fn names_the_graph_where_no_resource_is_named() {
        let sandbox = Sandbox::new(Settings::default());

        let (_, body) = renew(&sandbox, &sandbox.consent(true), "openid offline_access").await;

        assert_eq!(
            claims(&body["access_token"])["aud"],
            "https://graph.microsoft.com"
        );
    }

    #[tokio::test]
    async fn rotates_a_token_whose_answer_is_lost() {
        let sandbox = Sandbox::new(Settings::default());
        sandbox.set_rotation(Rotation::Strict);
        let token = sandbox.consent(true);
        sandbox.push_fault(Target::Token, Fault::CommitThenSilence);
        let secret = Settings::default().client_secret;
        let form = [
            ("grant_type", "refresh_token"),
            ("client_secret", &secret),
            ("refresh_token", &token),
            ("scope", BOTH),
        ];

        let lost = post(&sandbox, Endpoint::V2, &form).await;

        assert!(lost.is_err());
        assert!(!sandbox.is_current_refresh_token(&token));
        assert_eq!(sandbox.refresh_tokens_presented().len(), 1);
        assert_eq!(sandbox.token_requests()[0].status, 0);
        let again = renew(&sandbox, &token, BOTH).await;
        assert_eq!(refused(&again), (400, "invalid_grant", 70_000));
    }

    async fn renew(sandbox: &Sandbox, token: &str, scope: &str) -> Told {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("scope", scope),
        ];
        with_secret(sandbox, &form).await
    }

    const AUDIENCE: &str = "https://api.partnercenter.microsoft.com";

    const BOTH: &str = "https://api.partnercenter.microsoft.com/.default offline_access";
}
