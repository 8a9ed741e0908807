//! The network of the in-memory world: requests go to the sandbox's services.

use std::{
    collections::HashMap,
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
use tokio::sync::watch;

use super::issuer::Issuer;

/// Carries requests to the sandbox by the host they are for.
#[derive(Clone)]
pub(crate) struct ToSandbox {
    sandbox: Sandbox,
    issuers: Arc<Mutex<HashMap<String, Issuer>>>,
    hanging: Arc<Mutex<HashMap<String, watch::Sender<bool>>>>,
    services: Arc<Mutex<HashMap<String, (Service, Sandbox)>>>,
    pub(crate) unreachable: Arc<AtomicBool>,
}

/// What a host is.
#[derive(Clone, Copy)]
pub(crate) enum Service {
    Entra,
    PartnerCenter,
    Kubernetes,
    KeyVault,
}

impl ToSandbox {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self {
            sandbox,
            issuers: Arc::default(),
            hanging: Arc::default(),
            services: Arc::default(),
            unreachable: Arc::default(),
        }
    }

    /// Has an issuer answer for a host.
    pub(crate) fn host(&self, name: &str, issuer: Issuer) {
        let mut issuers = self.issuers.lock().expect("issuers");
        issuers.insert(name.to_owned(), issuer);
    }

    /// Has the sandbox answer for a host again.
    pub(crate) fn host_no_more(&self, name: &str) {
        self.issuers.lock().expect("issuers").remove(name);
    }

    /// Has a host be a service of a sandbox, which may be another one than the usual.
    pub(crate) fn serve(&self, name: &str, service: Service, sandbox: &Sandbox) {
        let mut services = self.services.lock().expect("services");
        services.insert(name.to_owned(), (service, sandbox.clone()));
    }

    /// Has a host answer nobody from now on.
    pub(crate) fn hang(&self, name: &str) {
        let mut hanging = self.hanging.lock().expect("hosts");
        hanging.insert(name.to_owned(), watch::Sender::new(false));
    }

    /// Has a host answer again, also those who wait.
    pub(crate) fn resume(&self, name: &str) {
        let host = self.hanging.lock().expect("hosts").remove(name);
        host.expect("a host that hangs").send_replace(true);
    }

    /// How many wait for hosts that hang.
    pub(crate) fn waiting(&self) -> usize {
        let hanging = self.hanging.lock().expect("hosts");
        hanging.values().map(watch::Sender::receiver_count).sum()
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
        let hanging = self.hanging.lock().expect("hosts");
        let hanging = hanging.get(&host).map(watch::Sender::subscribe);
        let issuers = Arc::clone(&self.issuers);
        let issuer = move |host: &str| issuers.lock().expect("issuers").get(host).cloned();
        let services = Arc::clone(&self.services);
        let service = move |host: &str| services.lock().expect("services").get(host).cloned();
        Box::pin(async move {
            if unreachable {
                return Err(SendError::Connect(
                    io::Error::from(io::ErrorKind::ConnectionRefused).into(),
                ));
            }
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("whole body").to_bytes();
            let request = Request::from_parts(head, body);
            if let Some(mut hanging) = hanging {
                hanging.wait_for(|resumed| *resumed).await.expect("a host");
            }
            if let Some(issuer) = issuer(&host) {
                let answer = issuer.serve(&request);
                return Ok(answer.map(|body| body.map_err(io::Error::other).boxed_unsync()));
            }
            let (service, sandbox) = match host.as_str() {
                "login.test" => (Service::Entra, sandbox),
                "api.test" => (Service::PartnerCenter, sandbox),
                "kubernetes.test" => (Service::Kubernetes, sandbox),
                "partner.vault.azure.net" => (Service::KeyVault, sandbox),
                other => service(other).unwrap_or_else(|| panic!("request for {other}")),
            };
            let answered = match service {
                Service::Entra => sandbox.entra(request).await,
                Service::PartnerCenter => sandbox.partner_center(request).await,
                Service::Kubernetes => sandbox.kubernetes(request).await,
                Service::KeyVault => sandbox.key_vault(request).await,
            };
            match answered {
                Ok(answer) => Ok(answer.map(|body| body.map_err(io::Error::other).boxed_unsync())),
                Err(dropped) => Err(SendError::Exchange(dropped.into())),
            }
        })
    }
}
