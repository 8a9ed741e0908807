//! A pretend Partner Center and Entra ID that answer at once and always alike, for measuring what stands before them.
//!
//! It checks nothing. What it needs and what its clients need is made at each start and put into a directory:
//! `ca.pem`, `jwks.json`, and callers' tokens, one a line, in `callers.es256`, `callers.rs256` and
//! `callers.once`.

mod answer;
mod callers;
mod certificate;
mod listen;

use std::{
    error::Error,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use clap::Parser;
use serde_json::json;

use crate::answer::Upstream;

/// A fixed upstream over HTTP and HTTPS, at any two free ports of loopback; tells them in a line of JSON.
#[derive(Debug, Parser)]
#[command(name = "upstream")]
struct Arguments {
    /// Where certificate authority, keys and callers' tokens are written
    #[arg(long, value_name = "DIRECTORY")]
    dir: PathBuf,
    /// How many callers have a token of each algorithm
    #[arg(long, default_value_t = 16)]
    callers: usize,
    /// How many further tokens there are, for callers who show each of theirs once
    #[arg(long, default_value_t = 0)]
    once: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "upstream: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let Arguments { dir, callers, once } = arguments;
    callers::write(&dir, callers, once)?;
    let acceptor = certificate::issue(&dir)?;
    let plain = listen::at_any_port()?;
    let secure = listen::at_any_port()?;
    let (http, https) = (plain.local_addr()?, secure.local_addr()?);
    let upstream = Arc::new(Upstream::new(https));
    let told = json!({"http": http.to_string(), "https": https.to_string()});
    writeln!(io::stdout(), "{told}")?;
    tokio::select! {
        () = listen::plain(plain, &upstream) => {}
        () = listen::secure(secure, acceptor, &upstream) => {}
        () = closed() => {}
    }
    Ok(())
}

/// Waits for the end of standard input, so that no upstream outlives who started it.
async fn closed() {
    let waiting = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
    drop(waiting.await);
}
