//! A refresh token in a Kubernetes Secret, which replicas share.
//!
//! A replica writes its claim into the Secret before it presents the token, under the version that it
//! has read; so of several, one at a time presents it. The others count a claim's time by their own
//! clock from when they first saw it, as Kubernetes' own leader election does: no two clocks need agree,
//! and a claim that does not end is its holder's crash. The new token and the end of the claim are one
//! update.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use tracing::debug;
use uuid::Uuid;

use crate::{
    cause,
    clock::SharedClock,
    file::Disk,
    http_client::{self, HttpClient},
    secret::SecretSource,
    token::refresh_store::{
        Kept, KubernetesSecret, Stored, Surroundings,
        error::{SetupFault, StoreError},
        same,
        secret_object::SecretObject,
        well_formed,
    },
};

/// The way to one Secret.
#[derive(Debug)]
pub(in crate::token::refresh_store) struct KubernetesStore {
    settings: KubernetesSecret,
    http: HttpClient,
    service_account: SecretSource,
    disk: Disk,
    clock: SharedClock,
    /// Names this process among those that share the Secret.
    holder: String,
    sighted: Mutex<Option<Sighting>>,
}

/// This process's claim, with the object that it was written into.
#[derive(Debug)]
pub(in crate::token::refresh_store) struct Mine(SecretObject);

/// Another process's claim, and when it was first seen.
#[derive(Debug)]
struct Sighting {
    claim: String,
    first: Instant,
}

/// What came of an update.
enum Update {
    Done(SecretObject),
    /// Somebody else has changed the object since it was read.
    Conflict,
}

impl KubernetesStore {
    pub(in crate::token::refresh_store) fn new(
        settings: KubernetesSecret,
        around: Surroundings<'_>,
    ) -> Result<Self, SetupFault> {
        let plain_http = settings.api.scheme() == Some(&http::uri::Scheme::HTTP);
        let http = (around.connect)(&http_client::Settings {
            connect_timeout: around.connect_timeout,
            ca_file: (!plain_http).then(|| settings.service_account.join("ca.crt")),
            plain_http,
        })?;
        Ok(Self {
            service_account: SecretSource::File(settings.service_account.join("token")),
            settings,
            http,
            disk: Disk::default(),
            clock: SharedClock::clone(around.clock),
            holder: Uuid::new_v4().to_string(),
            sighted: Mutex::default(),
        })
    }

    pub(in crate::token::refresh_store) async fn look(&self) -> Result<Kept, StoreError> {
        self.kept(&self.read().await?)
    }

    /// Waits for whoever has the right, and tells since when it is ours.
    pub(in crate::token::refresh_store) async fn claim(
        &self,
    ) -> Result<(Kept, Mine, Instant), StoreError> {
        let began = Instant::now();
        while began.elapsed() < LONGEST_WAIT {
            let mut secret = self.read().await?;
            let kept = self.kept(&secret)?;
            if self.is_free(&secret) {
                let taken = Instant::now();
                secret.set_claim(format!("{}/{}", self.holder, Uuid::new_v4()));
                if let Update::Done(claimed) = self.update(&secret).await? {
                    return Ok((kept, Mine(claimed), taken));
                }
            }
            let jitter = BETWEEN_LOOKS.mul_f64(fastrand::f64());
            tokio::time::sleep(BETWEEN_LOOKS + jitter).await;
        }
        Err(StoreError::Busy)
    }

    pub(in crate::token::refresh_store) async fn keep(
        &self,
        mine: &Mine,
        presented: &SecretString,
        token: &SecretString,
    ) -> Result<Stored, StoreError> {
        let mut secret = mine.0.clone();
        for _ in 0..TRIES {
            secret.put(&self.settings.key, token, self.clock.now());
            secret.end_claim();
            if let Update::Done(_) = self.update(&secret).await? {
                return Ok(Stored::Ours);
            }
            secret = self.read().await?;
            match secret.text(&self.settings.key).as_ref().and_then(trimmed) {
                // An update whose answer was lost.
                Some(there) if same(&there, token) && !same(token, presented) => {
                    return Ok(Stored::Ours);
                }
                // Others changed something else, or emptied it.
                Some(there) if !same(&there, presented) => return Ok(Stored::Another),
                _ => {}
            }
        }
        Err(self.contended())
    }

    /// Ends the claim where it still stands; one that cannot be ended runs out.
    pub(in crate::token::refresh_store) async fn release(&self, mine: &Mine) {
        let mut secret = mine.0.clone();
        let claim = secret.claim().map(ToOwned::to_owned);
        let released = async {
            for _ in 0..TRIES {
                secret.end_claim();
                if let Update::Done(_) = self.update(&secret).await? {
                    return Ok(());
                }
                secret = self.read().await?;
                if secret.claim() != claim.as_deref() {
                    return Ok(());
                }
            }
            Err(self.contended())
        };
        if let Err(error) = released.await {
            debug!(error = %cause::chain(&error), "claim not ended; it runs out");
        }
    }

    pub(in crate::token::refresh_store) async fn keep_new_consent(
        &self,
        token: &SecretString,
    ) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let mut secret = self.read().await?;
            secret.put(&self.settings.key, token, self.clock.now());
            secret.end_claim();
            if let Update::Done(_) = self.update(&secret).await? {
                return Ok(());
            }
        }
        Err(self.contended())
    }

    fn kept(&self, secret: &SecretObject) -> Result<Kept, StoreError> {
        let place = || self.place();
        let text = secret.text(&self.settings.key);
        let text = text.ok_or_else(|| StoreError::Empty { place: place() })?;
        if text.expose_secret().trim_ascii().is_empty() {
            return Err(StoreError::Empty { place: place() });
        }
        let token = trimmed(&text).ok_or_else(|| StoreError::Malformed { place: place() })?;
        Ok(Kept {
            token,
            renewed: secret.renewed(),
        })
    }

    /// Whether nobody else presents the token: no claim, one of this process whose answer was lost, or
    /// one that has stood for longer than a living holder lets it.
    fn is_free(&self, secret: &SecretObject) -> bool {
        let mut sighted = self.sighted.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = secret.claim().filter(|claim| !self.is_own(claim));
        let Some(claim) = theirs else {
            *sighted = None;
            return true;
        };
        match sighted.as_ref().filter(|seen| seen.claim == claim) {
            Some(seen) => seen.first.elapsed() >= CLAIM_LASTS,
            None => {
                *sighted = Some(Sighting {
                    claim: claim.to_owned(),
                    first: Instant::now(),
                });
                false
            }
        }
    }

    fn is_own(&self, claim: &str) -> bool {
        let holder = claim.split_once('/').map_or(claim, |(holder, _)| holder);
        holder == self.holder
    }

    async fn read(&self) -> Result<SecretObject, StoreError> {
        match self.ask(Method::GET, Bytes::new()).await? {
            (StatusCode::OK, body) => self.parsed(&body),
            (status, _) => Err(self.refused(status)),
        }
    }

    /// Writes the object under the version that it was read with.
    async fn update(&self, secret: &SecretObject) -> Result<Update, StoreError> {
        match self.ask(Method::PUT, secret.body().into()).await? {
            (StatusCode::OK | StatusCode::CREATED, body) => self.parsed(&body).map(Update::Done),
            (StatusCode::CONFLICT, _) => Ok(Update::Conflict),
            (status, _) => Err(self.refused(status)),
        }
    }

    /// The kubelet renews the service account's token, so one that is refused is read anew, once.
    async fn ask(&self, method: Method, body: Bytes) -> Result<(StatusCode, Bytes), StoreError> {
        let first = self.ask_once(method.clone(), body.clone()).await?;
        if first.0 == StatusCode::UNAUTHORIZED {
            return self.ask_once(method, body).await;
        }
        Ok(first)
    }

    async fn ask_once(
        &self,
        method: Method,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), StoreError> {
        let own = self.service_account.read(&self.disk).await?;
        let odd = |_| self.odd("no request can be made for it");
        let mut bearer =
            http::HeaderValue::try_from(format!("Bearer {}", own.expose_secret().trim()))
                .map_err(|_| self.odd("the service account's token does not fit a header"))?;
        bearer.set_sensitive(true);
        let request = Request::builder()
            .method(method)
            .uri(self.url())
            .header(header::AUTHORIZATION, bearer)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(odd)?;
        let answer = self.http.exchange(request, API_TIMEOUT, LARGEST_BYTES);
        let answer = answer.await.map_err(|source| StoreError::Unreachable {
            place: self.place(),
            source,
        })?;
        Ok((answer.status, answer.body))
    }

    fn url(&self) -> String {
        let KubernetesSecret {
            api,
            namespace,
            name,
            ..
        } = &self.settings;
        let api = Uri::to_string(api);
        let api = api.trim_end_matches('/');
        format!("{api}/api/v1/namespaces/{namespace}/secrets/{name}")
    }

    fn parsed(&self, body: &[u8]) -> Result<SecretObject, StoreError> {
        SecretObject::parse(body).ok_or_else(|| self.odd("it is no object with a version"))
    }

    fn place(&self) -> String {
        let KubernetesSecret {
            namespace, name, ..
        } = &self.settings;
        format!("Secret {namespace}/{name}")
    }

    fn refused(&self, status: StatusCode) -> StoreError {
        let place = self.place();
        StoreError::Refused { place, status }
    }

    fn odd(&self, what: &'static str) -> StoreError {
        let place = self.place();
        StoreError::Odd { place, what }
    }

    fn contended(&self) -> StoreError {
        let place = self.place();
        StoreError::Contended { place }
    }
}

fn trimmed(text: &SecretString) -> Option<SecretString> {
    well_formed(text.expose_secret())
}

/// How long a claim stands before others take its holder for dead. Until
/// [`LATEST_PRESENTATION`] the token is presented, which takes 10 s at most, and then kept.
const CLAIM_LASTS: Duration = Duration::from_secs(30);

/// A claim that took longer to write leaves no time to present the token.
pub(in crate::token::refresh_store) const LATEST_PRESENTATION: Duration = Duration::from_secs(12);

/// Longer than a claim stands, so that who waits for a holder that died goes on in its place.
const LONGEST_WAIT: Duration = Duration::from_secs(45);

/// How often a claim of somebody else's is looked at, and as much again by chance.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// Others write a Secret of its own hardly ever.
const TRIES: u32 = 8;

/// An API server answers in milliseconds.
const API_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest Secret there is, 1 MiB, in base64 and with what is said of it.
const LARGEST_BYTES: usize = 3 * 1024 * 1024;
