//! The services over TCP: Entra ID at one address, all others at Partner Center's.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version, request::Parts};
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
    routes::{self, Service},
    sandbox::Sandbox,
    wire::{Tapped, Wire},
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
    let wire = Wire::default();
    let stream = Tapped::new(stream, wire.clone());
    let service = service_fn(move |request| answer(sandbox.clone(), door, wire.clone(), request));
    let server = auto::Builder::new(TokioExecutor::new());
    // A connection ends in an error whenever a fault or a client breaks it off.
    drop(server.serve_connection(TokioIo::new(stream), service).await);
}

async fn answer(
    sandbox: Sandbox,
    door: Door,
    wire: Wire,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Dropped> {
    let (head, body) = request.into_parts();
    let service = routes::service(head.uri.path());
    if matches!((door, service), (Door::Others, Service::PartnerCenter))
        && sandbox.breaks_off(&head)
    {
        wire.reset();
        return Err(Dropped::Reset);
    }
    let is_http1 = head.version < Version::HTTP_2;
    let Ok(request) = whole(head, body, &wire).await else {
        return Ok(typed(StatusCode::PAYLOAD_TOO_LARGE, "", ""));
    };
    let answered = match (door, service) {
        (Door::Entra, _) => sandbox.entra(request).await,
        (Door::Others, Service::KeyVault) => sandbox.key_vault(request).await,
        (Door::Others, Service::Kubernetes) => sandbox.kubernetes(request).await,
        (Door::Others, Service::PartnerCenter) => sandbox.partner_center(request).await,
    };
    if is_http1 {
        return wire.prepare(answered);
    }
    answered
}

async fn whole(
    mut head: Parts,
    body: Incoming,
    wire: &Wire,
) -> Result<Request<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    let body = Limited::new(body, LARGEST_BODY).collect().await?.to_bytes();
    let read = wire.take_read();
    if head.version < Version::HTTP_2 {
        head.extensions.insert(read);
    }
    Ok(Request::from_parts(head, body))
}

/// In bytes.
const LARGEST_BODY: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::Settings;

    #[tokio::test]
    async fn finds_each_service_by_address_and_path() {
        let sandbox = Sandbox::new(Settings::default());
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let listening = sandbox.listen(anywhere, anywhere).await.unwrap();
        for (address, path, status, words) in [
            (listening.entra, "/tenant/oauth2/v2.0/token", 400, "AADSTS"),
            (listening.entra, "/secrets/rt", 404, "content-length: 0"),
            (
                listening.partner_center,
                "/v1/customers/c",
                401,
                "ms-requestid",
            ),
            (listening.partner_center, "/secrets/rt", 401, "AKV10000"),
            (listening.partner_center, SECRET, 401, "\"kind\":\"Status\""),
        ] {
            let answer = ask(address, path).await;

            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{path}: {answer}"
            );
            assert!(answer.contains(words), "{path}: {answer}");
        }
        assert_eq!(sandbox.seen().len(), 1);
        assert_eq!(sandbox.key_vault_requests().len(), 1);
        let seen = sandbox.kubernetes_requests();
        assert!(seen[0].raw.as_ref().unwrap().starts_with(b"GET /api/v1/"));
    }

    async fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    const SECRET: &str = "/api/v1/namespaces/partner/secrets/partner-center";
}
