//! Reading and writing one Secret at the Kubernetes API server, as the pod's own service account.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use secrecy::ExposeSecret as _;

use crate::{
    file::Disk,
    http_client::{self, HttpClient},
    secret::SecretSource,
    token::refresh_store::{
        Surroundings,
        error::{SetupFault, StoreError},
        place::{Place, Within, base},
        secret_object::SecretObject,
        settings::KubernetesSecret,
    },
};

/// The way to one Secret.
#[derive(Debug)]
pub(in crate::token::refresh_store) struct SecretApi {
    url: String,
    place: Place,
    http: HttpClient,
    service_account: SecretSource,
    disk: Disk,
}

/// What came of an update.
pub(in crate::token::refresh_store) enum Update {
    Done(SecretObject),
    /// Somebody else has changed the object since it was read.
    Conflict,
}

impl SecretApi {
    pub(in crate::token::refresh_store) fn new(
        settings: &KubernetesSecret,
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
            url: format!(
                "{}/api/v1/namespaces/{}/secrets/{}",
                base(&settings.api),
                settings.namespace,
                settings.name
            ),
            place: Place(format!("Secret {}/{}", settings.namespace, settings.name)),
            http,
            disk: Disk::default(),
        })
    }

    pub(in crate::token::refresh_store) async fn read(&self) -> Result<SecretObject, StoreError> {
        match self.ask(Method::GET, Bytes::new()).await? {
            (StatusCode::OK, body) => self.parsed(&body),
            (status, _) => Err(self.place.refused(status)),
        }
    }

    /// Writes the object under the version that it was read with.
    pub(in crate::token::refresh_store) async fn update(
        &self,
        secret: &SecretObject,
    ) -> Result<Update, StoreError> {
        match self.ask(Method::PUT, secret.body().into()).await? {
            (StatusCode::OK | StatusCode::CREATED, body) => self.parsed(&body).map(Update::Done),
            (StatusCode::CONFLICT, _) => Ok(Update::Conflict),
            (status, _) => Err(self.place.refused(status)),
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
        let odd = |_| self.place.odd("no request can be made for it");
        let mut bearer =
            http::HeaderValue::try_from(format!("Bearer {}", own.expose_secret().trim())).map_err(
                |_| {
                    self.place
                        .odd("the service account's token does not fit a header")
                },
            )?;
        bearer.set_sensitive(true);
        let request = Request::builder()
            .method(method)
            .uri(&self.url)
            .header(header::AUTHORIZATION, bearer)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(odd)?;
        self.place.ask(&self.http, request, WITHIN).await
    }

    fn parsed(&self, body: &[u8]) -> Result<SecretObject, StoreError> {
        SecretObject::parse(body).ok_or_else(|| self.place.odd("it is no object with a version"))
    }

    pub(in crate::token::refresh_store) fn place(&self) -> &Place {
        &self.place
    }
}

/// An API server answers in milliseconds; the largest Secret has 1 MiB, in base64 and with what is said
/// of it.
const WITHIN: Within = Within {
    time: Duration::from_secs(5),
    bytes: 3 * 1024 * 1024,
};
