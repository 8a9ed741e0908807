//! Everything on one machine with nothing to configure: a pretend Entra ID and Partner Center on
//! loopback, the gateway in front of them, one caller, one journal.
//!
//! `cargo run --release --example sandbox` runs until Ctrl-C and prints calls to try. With `--once` it
//! makes one call through the whole path, shows what happened at each place, and checks it.

mod call;
mod checks;
mod once;
mod site;

use std::{
    error::Error,
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;

use self::site::Site;

/// Any error, to be told in one line.
type Fault = Box<dyn Error>;

/// A sandbox: the gateway in front of a pretend Entra ID and Partner Center.
///
/// Nothing of Microsoft's is reached, and nothing is real. Exit codes: 0 when all went as it must,
/// 1 when it did not or the sandbox could not start.
#[derive(Debug, Parser)]
#[command(
    name = "sandbox",
    after_help = "Example: sandbox --once --script faults.json"
)]
struct Arguments {
    /// Where callers connect [default: 127.0.0.1:8080; with --once a free port]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where operators connect [default: 127.0.0.1:9090; with --once a free port]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// Where secrets, callers and the audit journal are kept [default: sandbox-run; with --once a
    /// directory that is removed again]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// A script of faults for the pretend services, in JSON; see sandbox/README.md
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Makes one call, shows and checks everything about it, and exits
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = if arguments.once {
        once::run(arguments).await
    } else {
        stay(arguments).await.map(|()| true)
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            drop(writeln!(io::stderr(), "sandbox: {fault}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs until Ctrl-C.
async fn stay(arguments: Arguments) -> Result<(), Fault> {
    let site = Site::build(site::Wanted {
        listen: arguments.listen.unwrap_or(([127, 0, 0, 1], 8080).into()),
        admin: arguments.admin.unwrap_or(([127, 0, 0, 1], 9090).into()),
        dir: arguments.dir.unwrap_or_else(|| "sandbox-run".into()),
        script: arguments.script,
        log: "info",
    })
    .await?;
    write!(io::stdout(), "{}", call::invitation(&site))?;
    let drain = site.drain.clone();
    let stopping = async move {
        let stopped = tokio::signal::ctrl_c().await;
        drain.begin();
        stopped
    };
    let (served, stopped) = tokio::join!(site.bound.serve(), stopping);
    served?;
    Ok(stopped?)
}
