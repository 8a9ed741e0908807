//! The device flow: a code is shown, a user decides, and the device polls until it hears of it.
//!
//! RFC 8628 with Entra ID's own words: `authorization_declined` for `access_denied`, and
//! `bad_verification_code` for a code that is not known.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    refusal::{Refusal, refusal},
    scope::Scopes,
};
use crate::{sandbox::Sandbox, settings::Settings};

/// What a user makes of a device code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// The user signs in and consents.
    Approve {
        /// Whether with MFA.
        mfa: bool,
    },
    /// The user says no.
    Decline,
    /// The user lets the code expire, which it does at once.
    Expire,
}

/// The codes that were given out.
#[derive(Debug, Default)]
pub(crate) struct Devices(Vec<Begun>);

#[derive(Debug)]
struct Begun {
    device_code: String,
    user_code: String,
    scopes: Scopes,
    ends: Instant,
    interval: Duration,
    polled: Option<Instant>,
    polls: u32,
    decision: Option<Decision>,
}

/// What an approved code earned.
#[derive(Debug)]
pub(super) struct Approved {
    pub(super) mfa: bool,
    pub(super) scopes: Scopes,
}

impl Sandbox {
    /// The user codes that nobody has decided on, in the order in which they were given out.
    #[must_use]
    pub fn device_user_codes(&self) -> Vec<String> {
        let now = Instant::now();
        let state = self.state();
        let pending = state.devices.0.iter();
        pending
            .filter(|code| code.decision.is_none() && code.ends > now)
            .map(|code| code.user_code.clone())
            .collect()
    }

    /// Decides on a user code; one that is not known changes nothing.
    pub fn decide_device(&self, user_code: &str, decision: Decision) {
        let mut state = self.state();
        let mut codes = state.devices.0.iter_mut();
        if let Some(code) = codes.find(|code| code.user_code == user_code) {
            code.decision = Some(decision);
        }
    }
}

impl Devices {
    /// Gives out a code, and returns what Entra ID says of it.
    pub(super) fn start(&mut self, scopes: Scopes, settings: &Settings) -> Value {
        let now = Instant::now();
        self.0.retain(|code| code.ends + LIFE > now);
        let drawn = Uuid::new_v4().simple().to_string().to_uppercase();
        let user_code: String = drawn.chars().take(9).collect();
        let device_code = format!("sandbox-device-{}", Uuid::new_v4().simple());
        self.0.push(Begun {
            device_code: device_code.clone(),
            user_code: user_code.clone(),
            scopes,
            ends: now + LIFE,
            interval: Duration::from_secs(settings.device_interval),
            polled: None,
            polls: 0,
            decision: None,
        });
        json!({
            "user_code": user_code,
            "device_code": device_code,
            "verification_uri": VERIFICATION_URI,
            "expires_in": LIFE.as_secs(),
            "interval": settings.device_interval,
            "message": format!(
                "To sign in, use a web browser to open the page {VERIFICATION_URI} and enter the \
                 code {user_code} to authenticate."
            ),
        })
    }

    /// What a poll hears; a code can be redeemed once.
    pub(super) fn poll(
        &mut self,
        device_code: &str,
        approval: Option<bool>,
    ) -> Result<Approved, Refusal> {
        let now = Instant::now();
        let place = self.0.iter().position(|it| it.device_code == device_code);
        let code = place.and_then(|place| self.0.get_mut(place));
        let (Some(place), Some(code)) = (place, code) else {
            let told = "The device code is not known.";
            return Err(refusal(400, "bad_verification_code", 70_018, told));
        };
        code.in_no_haste(now)?;
        code.polls += 1;
        if code.decision.is_none() && code.polls >= POLLS_BEFORE_APPROVAL {
            code.decision = approval.map(|mfa| Decision::Approve { mfa });
        }
        let expired = code.ends <= now || code.decision == Some(Decision::Expire);
        match code.decision {
            _ if expired => Err(refusal(
                400,
                "expired_token",
                70_020,
                "The code has expired.",
            )),
            Some(Decision::Approve { mfa }) => {
                let Begun { scopes, .. } = self.0.remove(place);
                Ok(Approved { mfa, scopes })
            }
            Some(_) => {
                let told = "The end user denied the authorization request.";
                Err(refusal(400, "authorization_declined", 70_017, told))
            }
            None => {
                let told =
                    "OAuth 2.0 device flow error. Authorization is pending. Continue polling.";
                Err(refusal(400, "authorization_pending", 70_016, told))
            }
        }
    }
}

impl Begun {
    /// Whether the interval has passed; where it has not, it grows (RFC 8628, section 3.5).
    fn in_no_haste(&mut self, now: Instant) -> Result<(), Refusal> {
        let earliest = self.polled.map(|polled| polled + self.interval);
        self.polled = Some(now);
        if earliest.is_some_and(|earliest| now < earliest) {
            self.interval += SLOW_DOWN;
            let told = "OAuth 2.0 device flow error. Polling is too fast. Slow down.";
            return Err(refusal(400, "slow_down", 70_016, told));
        }
        Ok(())
    }
}

const LIFE: Duration = Duration::from_mins(15);

const VERIFICATION_URI: &str = "https://microsoft.com/devicelogin";

/// The step that RFC 8628 prescribes.
const SLOW_DOWN: Duration = Duration::from_secs(5);

const POLLS_BEFORE_APPROVAL: u32 = 3;

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::time::advance;

    use super::*;
    use crate::trial::{Endpoint, Told, claims, post, refused, with_secret};

    #[tokio::test(start_paused = true)]
    async fn gives_out_a_code_and_then_the_tokens() {
        let sandbox = Sandbox::new(Settings::default());
        let begun = begin(&sandbox).await;
        let code = begun["device_code"].as_str().unwrap();
        let user_code = begun["user_code"].as_str().unwrap();
        let pending = poll(&sandbox, code).await;

        let waiting = sandbox.device_user_codes();
        sandbox.decide_device(user_code, Decision::Approve { mfa: true });
        advance(Duration::from_secs(5)).await;
        let (status, body) = poll(&sandbox, code).await;
        advance(Duration::from_secs(5)).await;
        let again = poll(&sandbox, code).await;

        assert_eq!(refused(&pending), (400, "authorization_pending", 70_016));
        assert_eq!(waiting, [user_code]);
        assert_eq!(status, 200, "{body}");
        assert_eq!(claims(&body["access_token"])["amr"], json!(["pwd", "mfa"]));
        assert!(claims(&body["id_token"])["preferred_username"].is_string());
        assert!(sandbox.is_current_refresh_token(body["refresh_token"].as_str().unwrap()));
        assert_eq!(refused(&again), (400, "bad_verification_code", 70_018));
        assert!(sandbox.device_user_codes().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn says_of_a_code_what_is_documented() {
        let sandbox = Sandbox::new(Settings::default());

        let begun = begin(&sandbox).await;

        assert_eq!(
            begun["verification_uri"],
            "https://microsoft.com/devicelogin"
        );
        assert_eq!(begun["expires_in"], 900);
        assert_eq!(begun["interval"], 5);
        let message = begun["message"].as_str().unwrap();
        assert!(message.contains(begun["user_code"].as_str().unwrap()));
        assert_eq!(begun.as_object().unwrap().len(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn tells_what_the_user_decided() {
        for (decision, error, code) in [
            (Decision::Decline, "authorization_declined", 70_017),
            (Decision::Expire, "expired_token", 70_020),
        ] {
            let sandbox = Sandbox::new(Settings::default());
            let begun = begin(&sandbox).await;
            sandbox.decide_device(begun["user_code"].as_str().unwrap(), decision);

            let told = poll(&sandbox, begun["device_code"].as_str().unwrap()).await;

            assert_eq!(refused(&told), (400, error, code));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lets_a_code_expire_after_its_life() {
        let sandbox = Sandbox::new(Settings::default());
        let begun = begin(&sandbox).await;

        advance(LIFE).await;
        let told = poll(&sandbox, begun["device_code"].as_str().unwrap()).await;

        assert_eq!(refused(&told), (400, "expired_token", 70_020));
        assert!(sandbox.device_user_codes().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn slows_down_a_client_that_polls_too_fast() {
        let sandbox = Sandbox::new(Settings::default());
        let begun = begin(&sandbox).await;
        let code = begun["device_code"].as_str().unwrap();
        let mut told = Vec::new();

        for seconds in [0, 4, 5, 14, 15] {
            advance(Duration::from_secs(seconds)).await;
            let (_, body) = poll(&sandbox, code).await;
            told.push(body["error"].as_str().unwrap().to_owned());
        }

        let (slow, pending) = ("slow_down", "authorization_pending");
        assert_eq!(told, [pending, slow, slow, slow, slow]);
        advance(Duration::from_secs(25)).await;
        assert_eq!(poll(&sandbox, code).await.1["error"], pending);
    }

    #[tokio::test(start_paused = true)]
    async fn approves_at_the_third_poll_where_it_is_told_to() {
        let sandbox = Sandbox::new(Settings {
            device_interval: 0,
            device_approval: Some(false),
            ..Settings::default()
        });
        let begun = begin(&sandbox).await;
        let code = begun["device_code"].as_str().unwrap();

        let first = poll(&sandbox, code).await;
        let second = poll(&sandbox, code).await;
        let (status, body) = poll(&sandbox, code).await;

        assert_eq!((first.0, second.0, status), (400, 400, 200));
        assert_eq!(claims(&body["access_token"])["amr"], json!(["pwd"]));
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_a_secret_that_is_shown_and_wrong() {
        let sandbox = Sandbox::new(Settings::default());
        let begun = begin(&sandbox).await;
        let form = [
            ("grant_type", GRANT),
            ("device_code", begun["device_code"].as_str().unwrap()),
            ("client_secret", "wrong"),
        ];

        let told = post(&sandbox, Endpoint::V2, &form).await.unwrap();

        assert_eq!(refused(&told), (401, "invalid_client", 7_000_215));
    }

    #[tokio::test(start_paused = true)]
    async fn takes_a_client_with_a_secret_as_well_as_one_without() {
        let sandbox = Sandbox::new(Settings::default());
        let begun = begin(&sandbox).await;
        let user_code = begun["user_code"].as_str().unwrap();
        sandbox.decide_device(user_code, Decision::Approve { mfa: true });
        let code = begun["device_code"].as_str().unwrap();

        let (_, body) =
            with_secret(&sandbox, &[("grant_type", GRANT), ("device_code", code)]).await;

        assert_eq!(claims(&body["access_token"])["appidacr"], "1");
    }

    async fn begin(sandbox: &Sandbox) -> Value {
        let scope = "https://api.partnercenter.microsoft.com/.default offline_access openid";
        let form = [("scope", scope)];
        let (status, body) = post(sandbox, Endpoint::DeviceCode, &form).await.unwrap();
        assert_eq!(status, 200, "{body}");
        body
    }

    async fn poll(sandbox: &Sandbox, code: &str) -> Told {
        let form = [("grant_type", GRANT), ("device_code", code)];
        post(sandbox, Endpoint::V2, &form).await.unwrap()
    }

    const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
}
