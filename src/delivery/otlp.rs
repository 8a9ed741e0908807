//! The `otlp` sink: OTLP/HTTP with protobuf bodies
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>).
//!
//! Spans go the same way. What a record becomes stands in `record`, the request's body in `request`, and what an answer means in `answer`.

mod answer;
mod credentials;
mod record;
mod request;
mod said;

use std::{
    io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{self, BoxFuture};
use http::{HeaderName, HeaderValue, Method, Request, Uri, header, uri::Scheme};
use http_body_util::Full;
use opentelemetry_sdk::trace::SpanData;

use self::{answer::Acknowledgement, credentials::Credentials};
use crate::{
    cause,
    clock::SharedClock,
    delivery::{
        batch::Batch,
        sink::{Setback, Sink, Standing},
    },
    file::Disk,
    http_client::{self, Connect, HttpClient, SetupError},
    ids::JournalId,
    secret::SecretSource,
};

/// What the sink needs from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where logs are posted to, path included.
    pub endpoint: Uri,
    /// Headers that every request carries.
    pub headers: Vec<(HeaderName, SecretSource)>,
    /// A further trust anchor, in PEM.
    pub ca_file: Option<PathBuf>,
}

/// A collector that takes logs.
#[derive(Debug)]
pub struct Otlp {
    settings: Settings,
    http: HttpClient,
    clock: SharedClock,
    disk: Disk,
    /// The usual path of such an endpoint.
    path: &'static str,
    warned: Mutex<Option<String>>,
}

impl Otlp {
    /// Makes the sink; nothing is sent before there are records.
    ///
    /// # Errors
    ///
    /// When trust anchors are missing or unreadable.
    pub fn new(
        settings: Settings,
        connect: &Connect,
        clock: SharedClock,
    ) -> Result<Self, SetupError> {
        Self::at("/v1/logs", settings, connect, clock)
    }

    /// Makes what sends spans in the same manner.
    pub(in crate::delivery) fn for_spans(
        settings: Settings,
        connect: &Connect,
        clock: SharedClock,
    ) -> Result<Self, SetupError> {
        Self::at("/v1/traces", settings, connect, clock)
    }

    fn at(
        path: &'static str,
        settings: Settings,
        connect: &Connect,
        clock: SharedClock,
    ) -> Result<Self, SetupError> {
        let http = connect(&http_client::Settings {
            connect_timeout: LONGEST_CONNECT,
            ca_file: settings.ca_file.clone(),
            plain_http: settings.endpoint.scheme() == Some(&Scheme::HTTP),
        })?;
        Ok(Self {
            settings,
            http,
            clock,
            disk: Disk::default(),
            path,
            warned: Mutex::default(),
        })
    }

    async fn post_records(&self, batch: &Batch) -> Result<(), Setback> {
        let (batch, observed) = (batch.clone(), self.clock.now());
        self.post(move || request::body(&batch, observed)).await
    }

    /// Sends spans, as whoever has the journal.
    pub(in crate::delivery) async fn send_spans(
        &self,
        spans: Vec<SpanData>,
        journal: JournalId,
    ) -> Result<(), Setback> {
        self.post(move || request::spans(spans, journal)).await
    }

    async fn post(
        &self,
        body: impl FnOnce() -> io::Result<Bytes> + Send + 'static,
    ) -> Result<(), Setback> {
        let credentials = Credentials::read(&self.settings.headers, &self.disk).await?;
        let body = aside(body).await?;
        let request = self.request(&credentials, body);
        let exchange = self
            .http
            .exchange(request, LONGEST_EXCHANGE, LARGEST_ANSWER);
        let answered = exchange.await;

        let (now, secrets) = (self.clock.now(), credentials.values());
        let Acknowledgement { warning } = answer::judge(answered, now, secrets, self.path)?;
        if let Some(warning) = warning {
            self.warn(warning);
        }
        Ok(())
    }

    fn request(&self, credentials: &Credentials, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.settings.endpoint.clone();
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        headers.extend(credentials.headers().clone());
        // After those of the configuration, because the body is what it is.
        for (name, value) in [
            (header::CONTENT_TYPE, answer::PROTOBUF),
            (header::CONTENT_ENCODING, "gzip"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        request
    }

    /// Tells a warning once, however many requests it comes for.
    fn warn(&self, warning: String) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.as_ref() != Some(&warning) {
            let host = self.settings.endpoint.host();
            tracing::warn!(address = host, reason = warning, "the collector warns");
            *warned = Some(warning);
        }
    }
}

impl Sink for Otlp {
    /// OTLP has no way to ask.
    fn stands(&self, _: JournalId) -> BoxFuture<'_, Result<Standing, Setback>> {
        Box::pin(future::ready(Ok(Standing::Untold)))
    }

    fn deliver<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<(), Setback>> {
        Box::pin(self.post_records(batch))
    }
}

/// Compressing half a megabyte takes milliseconds, which calls on the same thread would wait for.
async fn aside(
    body: impl FnOnce() -> io::Result<Bytes> + Send + 'static,
) -> Result<Bytes, Setback> {
    let unmade = |error: &(dyn std::error::Error + 'static)| Setback::Passing {
        why: format!("making the request: {}", cause::chain(error)),
        after: None,
    };
    tokio::task::spawn_blocking(body)
        .await
        .map_err(|gone| unmade(&gone))?
        .map_err(|error| unmade(&error))
}

/// Within the time for the whole exchange.
const LONGEST_CONNECT: Duration = Duration::from_secs(5);

/// The default of exporters:
/// <https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options>.
const LONGEST_EXCHANGE: Duration = Duration::from_secs(10);

/// 64 KiB; an answer is a number and a sentence.
const LARGEST_ANSWER: usize = 64 << 10;

/// What the specification of exporters asks for, in the form of RFC 9110, section 10.1.5.
const USER_AGENT: &str = concat!("partner-gateway/", env!("CARGO_PKG_VERSION"));
