//! Makes calls at a steady rate, whatever becomes of those before, and tells how long they took in a line of JSON.
//!
//! A call's time is counted from the moment for which it was planned. A subject that stalls so makes every call late
//! that was due meanwhile, as it would for its real callers, and not only those that were already sent.

mod call;
mod connection;
mod pace;
mod tally;

use std::{
    error::Error,
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    rc::Rc,
    time::Duration,
};

use clap::Parser;
use tokio::task::{JoinSet, LocalSet};

use crate::{
    call::Calls,
    connection::{CallError, Connection, Connector},
    pace::{Due, Plan},
    tally::Tally,
};

/// Calls over HTTP/1.1 at a steady rate over kept connections.
#[derive(Debug, Parser)]
#[command(name = "load")]
struct Arguments {
    /// Who is called
    #[arg(long, value_name = "IP:PORT")]
    to: SocketAddr,
    /// Calls by TLS, and trusts this certificate authority
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// How a call goes
    #[arg(long, value_enum, default_value = "post")]
    call: call::Kind,
    /// Sent with POSTs, too: the body that a PATCH has
    #[arg(long)]
    body: bool,
    /// Callers' tokens, one a line, which take turns
    #[arg(long, value_name = "FILE")]
    tokens: PathBuf,
    /// Calls a second
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// How long
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Kept connections; a call waits, and its time runs, while none is free
    #[arg(long, default_value_t = 64)]
    connections: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match LocalSet::new().run_until(run(Arguments::parse())).await {
        Ok(told) => {
            drop(writeln!(io::stdout(), "{told}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            drop(writeln!(io::stderr(), "load: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<String, Box<dyn Error>> {
    let tokens = fs::read_to_string(&arguments.tokens)?;
    let tokens = tokens.lines().map(str::to_owned).collect();
    let calls = Calls::new(arguments.call, arguments.body, arguments.to, tokens)?;
    let connector = Connector::new(arguments.to, arguments.ca.as_deref())?;
    let mut open = Vec::new();
    for _ in 0..arguments.connections {
        open.push(connector.connect().await?);
    }
    let plan = Plan {
        interval: Duration::from_secs(1) / arguments.rate,
        calls: arguments.rate * arguments.seconds,
    };
    let due = Rc::new(pace::keep(plan)?);
    let calls = Rc::new(calls);
    let mut callers = JoinSet::new();
    for connection in open {
        let (due, calls, connector) = (Rc::clone(&due), Rc::clone(&calls), connector.clone());
        callers
            .spawn_local(async move { keep_calling(&due, &calls, &connector, connection).await });
    }
    let mut all = Tally::default();
    while let Some(tally) = callers.join_next().await {
        all.add(tally??);
    }
    Ok(all.told())
}

/// Makes whichever call is due next, until none is left.
async fn keep_calling(
    due: &Due,
    calls: &Calls,
    connector: &Connector,
    mut connection: Connection,
) -> Result<Tally, CallError> {
    let mut tally = Tally::default();
    while let Some(planned) = due.next().await {
        let answered = connection.call(calls).await;
        tally.note(planned.elapsed(), &answered);
        if answered.is_err() {
            // The failure is counted; the next call gets a new connection.
            connection = connector.connect().await?;
        }
    }
    Ok(tally)
}
