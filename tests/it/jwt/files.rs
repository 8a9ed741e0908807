//! Keys, and tokens for issuers, that lie in files.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use partner_gateway::{
    identity::{issuer::IssuerSettings, key_source::KeySourceSettings, published::Published},
    secret::SecretSource,
};
use serde_json::json;

use super::{refuses, takes};
use crate::harness::{
    issuer::{ISSUER, Issuer, Key, claims, claims_with, next_rsa, rsa, world_with},
    tempdir,
};

/// A pipe to which nobody writes; opening it to read takes for ever, or until the test has ended.
struct Pipe(PathBuf);

impl Pipe {
    fn new(path: PathBuf) -> Self {
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        Self(path)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // On Linux opening both ends waits for nobody, and lets go whoever waits.
        let both = OpenOptions::new().read(true).write(true).open(&self.0);
        drop(both.expect("a pipe"));
    }
}

fn write(file: &Path, key: &Key) {
    fs::write(file, json!({ "keys": [key.jwk()] }).to_string()).unwrap();
}

fn from_file(settings: &mut IssuerSettings, file: &Path) {
    settings.keys = KeySourceSettings::File(file.to_owned());
}

#[tokio::test(start_paused = true)]
async fn reads_keys_from_a_file_that_may_change() {
    let dir = tempdir();
    let file = dir.path().join("jwks.json");
    write(&file, rsa());
    let world = world_with(&Issuer::new(), |settings| from_file(settings, &file)).await;
    takes(&world, &rsa().token(&claims()), "the first key").await;

    write(&file, next_rsa());
    tokio::time::advance(Duration::from_secs(1)).await;
    takes(&world, &next_rsa().token(&claims()), "the next key").await;

    fs::write(&file, "{").unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    let fresh = next_rsa().token(&claims_with(json!({"jti": "2"})));
    takes(&world, &fresh, "though the file is broken").await;
}

#[tokio::test(start_paused = true)]
async fn reads_no_file_that_could_be_read_for_ever() {
    let dir = tempdir();
    let file = dir.path().join("jwks.json");
    write(&file, rsa());
    let mut large = fs::read(&file).unwrap();
    large.resize(256 * 1024, b' ');
    fs::write(&file, &large).unwrap();
    let world = world_with(&Issuer::new(), |settings| from_file(settings, &file)).await;
    takes(&world, &rsa().token(&claims()), "256 KiB").await;

    large.resize(256 * 1024 + 1, b' ');
    fs::write(&file, &large).unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    refuses(&world, &next_rsa().token(&claims()), "too large").await;
    fs::remove_file(&file).unwrap();
    let _pipe = Pipe::new(file.clone());
    tokio::time::advance(Duration::from_secs(1)).await;
    refuses(&world, &next_rsa().token(&claims()), "a pipe").await;

    fs::remove_file(&file).unwrap();
    write(&file, next_rsa());
    tokio::time::advance(Duration::from_secs(1)).await;
    takes(&world, &next_rsa().token(&claims()), "a file again").await;
}

#[tokio::test(start_paused = true)]
async fn shows_no_token_of_its_own_out_of_a_pipe() {
    let dir = tempdir();
    let issuer = Issuer::new();
    let pipe = Pipe::new(dir.path().join("token"));
    let world = world_with(&issuer, |settings| {
        settings.keys = KeySourceSettings::Url(Published {
            url: format!("{ISSUER}/jwks").parse().unwrap(),
            ca_file: None,
            bearer_token: Some(SecretSource::File(pipe.0.clone())),
        });
    })
    .await;

    refuses(&world, &rsa().token(&claims()), "at once").await;

    assert_eq!(issuer.key_fetches(), 0);
}
