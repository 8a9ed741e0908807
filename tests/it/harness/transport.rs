//! The network of the in-memory world: requests go to the sandbox's services.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use partner_gateway::http_client::{SendError, Sending, Transport};
use rustls::CertificateError;
use sandbox::{Dropped, Sandbox};
use tokio::sync::watch;

use super::issuer::Issuer;

/// Carries requests to the sandbox by the host they are for.
#[derive(Clone)]
pub(crate) struct ToSandbox {
    sandbox: Sandbox,
    issuers: Arc<Mutex<HashMap<String, Issuer>>>,
    hanging: Arc<Mutex<HashMap<String, watch::Sender<bool>>>>,
    services: Arc<Mutex<HashMap<String, (Service, Sandbox)>>>,
    unconnected: Arc<Mutex<HashMap<String, VecDeque<Unconnected>>>>,
    observers: Arc<Mutex<Vec<Box<Observer>>>>,
    /// The bodies that the collector was sent.
    pub(crate) collected: Arc<Mutex<Vec<Bytes>>>,
    pub(crate) unreachable: Arc<AtomicBool>,
}

/// Sees each request's headers before it is sent.
type Observer = dyn Fn(&HeaderMap) + Send;

/// What a host is.
#[derive(Clone, Copy)]
pub(crate) enum Service {
    Entra,
    PartnerCenter,
    Kubernetes,
    KeyVault,
}

/// Why there is no connection.
#[derive(Clone, Copy)]
enum Unconnected {
    Refused,
    Distrusted,
}

impl ToSandbox {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self {
            sandbox,
            issuers: Arc::default(),
            hanging: Arc::default(),
            services: Arc::default(),
            unconnected: Arc::default(),
            observers: Arc::default(),
            collected: Arc::default(),
            unreachable: Arc::default(),
        }
    }

    /// Shows the headers of each request from now on before it is sent.
    pub(crate) fn observe(&self, observer: impl Fn(&HeaderMap) + Send + 'static) {
        let mut observers = self.observers.lock().expect("observers");
        observers.push(Box::new(observer));
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

    /// Has a host refuse its next connections, so many, after what it was told to do before.
    pub(crate) fn refuse(&self, name: &str, connections: usize) {
        self.leave_unconnected(name, Unconnected::Refused, connections);
    }

    /// Has a host show its next connections, so many, a certificate of nobody's that is known.
    pub(crate) fn distrust(&self, name: &str, connections: usize) {
        self.leave_unconnected(name, Unconnected::Distrusted, connections);
    }

    fn leave_unconnected(&self, name: &str, why: Unconnected, connections: usize) {
        let mut unconnected = self.unconnected.lock().expect("hosts");
        let host = unconnected.entry(name.to_owned()).or_default();
        host.extend(std::iter::repeat_n(why, connections));
    }

    /// Why a host cannot be connected to this time, if it cannot.
    fn unconnected(&self, name: &str) -> Option<SendError> {
        let why = if self.unreachable.load(Ordering::SeqCst) {
            Unconnected::Refused
        } else {
            let mut unconnected = self.unconnected.lock().expect("hosts");
            unconnected.get_mut(name)?.pop_front()?
        };
        let error = match why {
            Unconnected::Refused => io::ErrorKind::ConnectionRefused.into(),
            Unconnected::Distrusted => io::Error::other(rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer,
            )),
        };
        Some(SendError::Connect(error.into()))
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
        let host = request.uri().host().expect("host").to_owned();
        for observer in &*self.observers.lock().expect("observers") {
            observer(request.headers());
        }
        let unconnected = self.unconnected(&host);
        let hanging = self.hanging.lock().expect("hosts");
        let hanging = hanging.get(&host).map(watch::Sender::subscribe);
        let issuers = Arc::clone(&self.issuers);
        let issuer = move |host: &str| issuers.lock().expect("issuers").get(host).cloned();
        let collected = Arc::clone(&self.collected);
        let services = Arc::clone(&self.services);
        let service = move |host: &str| services.lock().expect("services").get(host).cloned();
        Box::pin(async move {
            if let Some(error) = unconnected {
                return Err(error);
            }
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("whole body").to_bytes();
            let request = Request::from_parts(head, body);
            if let Some(mut hanging) = hanging {
                hanging.wait_for(|resumed| *resumed).await.expect("a host");
            }
            if host == "collector.test" {
                let body = request.into_body();
                collected.lock().expect("bodies").push(body);
                let nothing = Full::default().map_err(io::Error::other).boxed_unsync();
                return Ok(http::Response::new(nothing));
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
                Err(Dropped::NotHttp) => Err(SendError::NotHttp(Dropped::NotHttp.into())),
                Err(dropped) => Err(SendError::Exchange(dropped.into())),
            }
        })
    }
}

mod tests {
    use std::time::Duration;

    use partner_gateway::http_client::{self, Answer, HttpClient, HttpError};
    use sandbox::{Fault, Settings, Target};

    use super::*;

    #[tokio::test]
    async fn refuses_and_distrusts_so_many_connections_to_a_host() {
        let network = ToSandbox::new(Sandbox::new(Settings::default()));
        network.refuse("api.test", 2);
        network.distrust("api.test", 1);
        let client = HttpClient::over(network);

        let mut causes = Vec::new();
        let elsewhere = ask(&client, "https://login.test").await;
        for _ in 0..3 {
            let error = ask(&client, "https://api.test")
                .await
                .expect_err("no connection");
            assert!(matches!(error, HttpError::Connect(_)), "{error:?}");
            causes.push(error.is_distrust());
        }
        let then = ask(&client, "https://api.test").await;

        assert_eq!(causes, [false, false, true]);
        assert_eq!(elsewhere.expect("an answer").status, 404);
        assert_eq!(then.expect("an answer").status, 401);
    }

    #[tokio::test]
    async fn brings_of_a_fault_what_a_real_connection_brings() {
        let sandbox = Sandbox::new(Settings::default());
        let anywhere = ([127, 0, 0, 1], 0).into();
        let listening = sandbox.listen(anywhere, anywhere).await.expect("a port");
        let address = format!("http://{}", listening.partner_center);
        let in_memory = HttpClient::over(ToSandbox::new(sandbox.clone()));
        let over_tcp = HttpClient::connecting(&http_client::Settings {
            connect_timeout: Duration::from_secs(5),
            ca_file: None,
            plain_http: true,
        });
        let over_tcp = over_tcp.expect("a client");
        for (fault, heard, header) in [
            (Fault::Pass, "401", "www-authenticate"),
            (Fault::DropBefore, "NoAnswer", ""),
            (Fault::ResetBefore, "NoAnswer", ""),
            (Fault::ResetInTheMiddle, "NoAnswer", ""),
            (Fault::ResetAfter, "NoAnswer", ""),
            (Fault::NotHttp, "NotHttp", ""),
            (Fault::CutBody, "BrokenOff", ""),
            (Fault::CutBodyBefore, "BrokenOff", ""),
            (Fault::Informational, "401", "www-authenticate"),
            (Fault::ConflictingLength, "NotHttp", ""),
            (Fault::SwitchingProtocols, "101", "upgrade"),
        ] {
            let told = format!("{fault:?}");
            for (client, address) in [(&in_memory, "https://api.test"), (&over_tcp, &address)] {
                sandbox.push_fault(Target::PartnerCenter, fault.clone());

                let answered = ask(client, address).await;

                let (found, headers) = match answered {
                    Ok(answer) => (answer.status.to_string(), answer.headers),
                    Err(error) => (format!("{error:?}"), HeaderMap::new()),
                };
                assert!(found.starts_with(heard), "{told} of {address}: {found}");
                let has = header.is_empty() || headers.contains_key(header);
                assert!(has, "{told} of {address}: {headers:?}");
            }
        }
    }

    async fn ask(client: &HttpClient, address: &str) -> Result<Answer, HttpError> {
        let request = Request::patch(format!("{address}/v1/customers/c/transfers/t"));
        let request = request.body(Full::from("{}")).expect("request");
        client
            .exchange(request, Duration::from_secs(20), 4096)
            .await
    }
}
