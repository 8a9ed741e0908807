//! The services over TCP: Entra ID at one address, all others at Partner Center's.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    answer::{Answer, Dropped, typed},
    log::Raw,
    routes::{self, Service},
    sandbox::Sandbox,
    tee::{Kept, Tee},
};

/// The services while they listen; they end, connections and all, when this is dropped.
#[derive(Debug)]
pub struct Listening {
    /// Where Entra ID listens.
    pub entra: SocketAddr,
    /// Where Partner Center listens, and at other paths Kubernetes and Key Vault.
    pub partner_center: SocketAddr,
    _serving: JoinSet<()>,
}

impl Sandbox {
    /// Listens on two addresses; port 0 takes any that is free.
    ///
    /// # Errors
    ///
    /// When an address cannot be listened on.
    pub async fn listen(
        &self,
        entra: SocketAddr,
        partner_center: SocketAddr,
    ) -> io::Result<Listening> {
        let to_entra = TcpListener::bind(entra).await?;
        let to_partner_center = TcpListener::bind(partner_center).await?;
        let (entra, partner_center) = (to_entra.local_addr()?, to_partner_center.local_addr()?);
        let mut serving = JoinSet::new();
        serving.spawn(accept(self.clone(), Door::Entra, to_entra));
        serving.spawn(accept(self.clone(), Door::Others, to_partner_center));
        Ok(Listening {
            entra,
            partner_center,
            _serving: serving,
        })
    }
}

/// Which of the two addresses a connection came to.
#[derive(Clone, Copy, Debug)]
enum Door {
    Entra,
    Others,
}

async fn accept(sandbox: Sandbox, door: Door, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(serve(sandbox.clone(), door, stream));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(sandbox: Sandbox, door: Door, stream: TcpStream) {
    let kept = Kept::default();
    let tee = Tee::new(stream, kept.clone());
    let service = service_fn(move |request| answer(sandbox.clone(), door, kept.clone(), request));
    let server = auto::Builder::new(TokioExecutor::new());
    // A connection ends in an error whenever a fault or a client breaks it off.
    drop(server.serve_connection(TokioIo::new(tee), service).await);
}

async fn answer(
    sandbox: Sandbox,
    door: Door,
    kept: Kept,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Dropped> {
    let Ok(request) = whole(request, &kept).await else {
        return Ok(typed(StatusCode::PAYLOAD_TOO_LARGE, "", ""));
    };
    match (door, routes::service(request.uri().path())) {
        (Door::Entra, _) => sandbox.entra(request).await,
        (Door::Others, Service::KeyVault) => sandbox.key_vault(request).await,
        (Door::Others, Service::Kubernetes) => sandbox.kubernetes(request).await,
        (Door::Others, Service::PartnerCenter) => sandbox.partner_center(request).await,
    }
}

async fn whole(
    request: Request<Incoming>,
    kept: &Kept,
) -> Result<Request<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    let (mut head, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_BODY).collect().await?.to_bytes();
    let raw = kept.take();
    if head.version < Version::HTTP_2 {
        head.extensions.insert(Raw(raw));
    }
    Ok(Request::from_parts(head, body))
}

/// In bytes.
const LARGEST_BODY: usize = 1024 * 1024;
