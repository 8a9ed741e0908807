//! A gateway that asks its callers for certificates, and callers that have some.

use std::{io, sync::Arc};

use partner_gateway::config::Config;
use rustls::{
    AlertDescription, ClientConfig, RootCertStore, SupportedProtocolVersion, version::TLS13,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    CUSTOMER, TRANSFER,
    authority::{Authority, GATEWAY, Owned},
    served::Served,
    tempdir,
};

/// A gateway that asks for the certificates of an authority.
pub(crate) struct Mutual {
    pub(crate) served: Served,
    pub(crate) authority: Authority,
    _files: TempDir,
}

/// What came back over TLS.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Mutual {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (authority, files) = (Authority::new(), tempdir());
        let served = Served::with(|config| {
            everybody(config);
            config.server.tls = Some(authority.files(files.path()));
            change(config);
        })
        .await;
        Self {
            served,
            authority,
            _files: files,
        }
    }

    /// The same gateway, which has other authorities by now.
    pub(crate) fn of(self, authority: Authority) -> Self {
        Self { authority, ..self }
    }

    pub(crate) async fn connect(
        &self,
        config: impl Into<Arc<ClientConfig>>,
    ) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.served.address).await?;
        let name = GATEWAY.try_into().expect("sound");
        TlsConnector::from(config.into())
            .connect(name, stream)
            .await
    }

    /// Makes the documented call without its credential, on a connection of its own.
    pub(crate) async fn call(&self, owned: Option<&Owned>, headers: &str) -> Reply {
        let config = client(&self.authority, owned, &[&TLS13]);
        let mut stream = self.connect(config).await.expect("sound");
        converse(&mut stream, headers).await
    }

    /// The alert that ends the handshake. Nothing is sent after it, so that nothing hides the alert.
    pub(crate) async fn refusal(
        &self,
        owned: &Owned,
        version: &'static SupportedProtocolVersion,
    ) -> AlertDescription {
        let refused = match self
            .connect(client(&self.authority, Some(owned), &[version]))
            .await
        {
            Ok(mut stream) => stream.read_u8().await.unwrap_err(),
            Err(error) => error,
        };
        let inner = refused.get_ref().and_then(|inner| inner.downcast_ref());
        match inner {
            Some(rustls::Error::AlertReceived(alert)) => *alert,
            _ => panic!("no alert: {refused}"),
        }
    }

    pub(crate) fn outcomes(&self) -> Vec<Value> {
        self.served.journal().of_kind("outcome")
    }

    pub(crate) fn only_outcome(&self) -> Value {
        let mut outcomes = self.outcomes();
        assert_eq!(outcomes.len(), 1);
        outcomes.remove(0)
    }

    /// Every record so far is of a stranger, and nothing went upstream.
    pub(crate) fn knows_nobody(&self) {
        for record in self.outcomes() {
            assert_eq!(record["status"], 401);
            assert_eq!(record["decision"], "unauthenticated");
            for absent in ["principal", "auth", "issuer"] {
                assert_eq!(record.get(absent), None);
            }
        }
        assert!(self.served.sandbox.seen().is_empty());
    }
}

impl Reply {
    pub(crate) fn is_unauthenticated(&self, challenge: &str) {
        assert_eq!(self.status, 401, "{}", self.body);
        assert_eq!(self.body["code"], "unauthenticated");
        assert_eq!(self.body["forwarded"], "no");
        let line = format!("www-authenticate: {challenge}\r\n");
        assert!(self.head.contains(&line), "{}", self.head);
    }
}

/// Lets every caller that is known do everything.
pub(crate) fn everybody(config: &mut Config) {
    config.identity.mtls = true;
    let rule = config.authorization.rules.first_mut().expect("sound");
    rule.principals = vec!["*".to_owned()];
}

pub(crate) async fn converse(stream: &mut TlsStream<TcpStream>, headers: &str) -> Reply {
    let call = format!(
        "POST /transfers/{CUSTOMER}/{TRANSFER}/reject HTTP/1.1\r\nHost: {GATEWAY}\r\n{headers}\
         Connection: close\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(call.as_bytes()).await.expect("sound");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("sound");
    let (head, body) = answer.split_once("\r\n\r\n").expect("sound");
    Reply {
        status: head.split(' ').nth(1).expect("sound").parse().unwrap(),
        head: format!("{}\r\n", head.to_lowercase()),
        body: serde_json::from_str(body).unwrap_or(Value::Null),
    }
}

pub(crate) fn client(
    authority: &Authority,
    owned: Option<&Owned>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut anchors = RootCertStore::empty();
    anchors.add(authority.certificate().clone()).expect("sound");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("sound")
        .with_root_certificates(anchors);
    match owned {
        Some(owned) => config
            .with_client_auth_cert(owned.chain.clone(), owned.key.clone_key())
            .expect("sound"),
        None => config.with_no_client_auth(),
    }
}
