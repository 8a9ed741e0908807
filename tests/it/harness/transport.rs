//! The network of the in-memory world: requests go to the sandbox's services.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use partner_gateway::http_client::{SendError, Sending, Transport};
use sandbox::Sandbox;

use super::issuer::Issuer;

/// Carries requests to the sandbox by the host they are for.
#[derive(Clone)]
pub(crate) struct ToSandbox {
    sandbox: Sandbox,
    issuers: Arc<Mutex<HashMap<String, Issuer>>>,
    hanging: Arc<Mutex<HashSet<String>>>,
    pub(crate) unreachable: Arc<AtomicBool>,
}

impl ToSandbox {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self {
            sandbox,
            issuers: Arc::default(),
            hanging: Arc::default(),
            unreachable: Arc::default(),
        }
    }

    /// Has an issuer answer for a host.
    pub(crate) fn host(&self, name: &str, issuer: Issuer) {
        let mut issuers = self.issuers.lock().expect("issuers");
        issuers.insert(name.to_owned(), issuer);
    }

    /// Has a host answer nobody from now on.
    pub(crate) fn hang(&self, name: &str) {
        let mut hanging = self.hanging.lock().expect("hosts");
        hanging.insert(name.to_owned());
    }
}

impl std::fmt::Debug for ToSandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ToSandbox")
    }
}

impl Transport for ToSandbox {
    fn send(&self, request: Request<Full<Bytes>>) -> Sending {
        let sandbox = self.sandbox.clone();
        let unreachable = self.unreachable.load(Ordering::SeqCst);
        let host = request.uri().host().expect("host").to_owned();
        let hanging = self.hanging.lock().expect("hosts").contains(&host);
        let issuers = Arc::clone(&self.issuers);
        let issuer = move |host: &str| issuers.lock().expect("issuers").get(host).cloned();
        Box::pin(async move {
            if unreachable {
                return Err(SendError::Connect(
                    io::Error::from(io::ErrorKind::ConnectionRefused).into(),
                ));
            }
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("whole body").to_bytes();
            let request = Request::from_parts(head, body);
            if hanging {
                std::future::pending::<()>().await;
            }
            if let Some(issuer) = issuer(&host) {
                let answer = issuer.serve(&request);
                return Ok(answer.map(|body| body.map_err(io::Error::other).boxed_unsync()));
            }
            let answered = match host.as_str() {
                "login.test" => sandbox.entra(request).await,
                "api.test" => sandbox.partner_center(request).await,
                other => panic!("request for {other}"),
            };
            match answered {
                Ok(answer) => Ok(answer.map(|body| body.map_err(io::Error::other).boxed_unsync())),
                Err(dropped) => Err(SendError::Exchange(dropped.into())),
            }
        })
    }
}
