//! The network of the in-memory world: requests go to the sandbox's services.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use partner_gateway::http_client::{SendError, Sending, Transport};
use sandbox::Sandbox;

/// Carries requests to the sandbox by the host they are for.
#[derive(Clone)]
pub(crate) struct ToSandbox {
    sandbox: Sandbox,
    pub(crate) unreachable: Arc<AtomicBool>,
}

impl ToSandbox {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self {
            sandbox,
            unreachable: Arc::default(),
        }
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
        Box::pin(async move {
            if unreachable {
                return Err(SendError::Connect(
                    io::Error::from(io::ErrorKind::ConnectionRefused).into(),
                ));
            }
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("whole body").to_bytes();
            let host = head.uri.host().expect("host").to_owned();
            let request = Request::from_parts(head, body);
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
