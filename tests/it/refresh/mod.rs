//! App+User accounts: a refresh token that is kept alive, shown once, and never lost.

mod alive;
mod consent;
mod file;
mod kubernetes;
mod leaving;
mod nats;
mod refused;
mod shop;
mod together;
mod vault;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, task::Poll, time::Duration};

use partner_gateway::{
    config::Config,
    token::{Flow, refresh_store},
};
use sandbox::{Fault, Sandbox, Settings};
use tempfile::TempDir;

use crate::harness::{World, call::Answer, tempdir};

/// A world whose account acts for a user, with the sandbox and a directory for its store.
async fn acting_for_a_user(sandbox: Sandbox, store: refresh_store::Settings) -> World {
    World::over(sandbox, tempdir(), |config| for_a_user(config, store)).await
}

fn for_a_user(config: &mut Config, store: refresh_store::Settings) {
    config.accounts[0].token.flow = Flow::AppUser(store);
}

fn sandbox() -> Sandbox {
    Sandbox::new(Settings::default())
}

/// A file with a token in it, and where it is.
fn kept(token: &str) -> (TempDir, refresh_store::Settings) {
    let dir = tempdir();
    let path = dir.path().join("refresh-token");
    keep(&path, token);
    (dir, refresh_store::Settings::File(path))
}

fn keep(path: &Path, token: &str) {
    fs::write(path, token).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
}

fn read(dir: &TempDir) -> String {
    let text = fs::read_to_string(dir.path().join("refresh-token"));
    text.expect("a token").trim_end().to_owned()
}

/// Makes the documented call; time passes slowly while it is under way.
async fn call(world: &World) -> Answer {
    passing(world.reject().send()).await
}

/// Checks that Partner Center was asked with a token that it took; the transfer may have ended.
fn is_served(answer: &Answer) {
    assert!(matches!(answer.status, 200 | 400), "{:?}", answer.json());
    assert_eq!(answer.record["account"], "contoso");
}

fn has_no_token(answer: &Answer) {
    answer.is_problem(503, "token_unavailable", "no");
}

/// Lets time pass, so slowly that no file is taken for one on a disk that hangs.
async fn passing<T>(something: impl Future<Output = T>) -> T {
    let mut something = std::pin::pin!(something);
    loop {
        for _ in 0..500 {
            if let Poll::Ready(done) = futures_util::poll!(something.as_mut()) {
                return done;
            }
            tokio::task::yield_now().await;
            std::thread::yield_now();
        }
        tokio::time::advance(Duration::from_millis(50)).await;
    }
}

/// Long enough for an access token to end.
const AFTERWARDS: Duration = Duration::from_mins(61);

fn status(status: u16) -> Fault {
    Fault::Status {
        status,
        body: None,
        content_type: None,
        retry_after: None,
        headers: vec![],
    }
}

/// An access token that says it is another application's.
fn anothers() -> Fault {
    Fault::TokenField {
        name: "access_token".to_owned(),
        value: "e30.eyJhcHBpZCI6ImFub3RoZXIifQ.e30".into(),
    }
}
