//! The pretend Entra ID and Partner Center on their own, for staging clusters and other people's tests.

use std::{
    error::Error,
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use sandbox::{Sandbox, Script, Settings, Transfer};

/// A pretend Entra ID and Partner Center. Nothing behind it is real; do not send it real secrets.
#[derive(Debug, Parser)]
#[command(
    name = "sandbox",
    after_help = "Exit codes: 0 stopped by Ctrl-C, 1 could not start."
)]
struct Arguments {
    /// Where Entra ID listens
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDRESS")]
    entra: SocketAddr,
    /// Where Partner Center listens
    #[arg(long, default_value = "127.0.0.1:8082", value_name = "ADDRESS")]
    partner_center: SocketAddr,
    /// A script of faults, in JSON
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Allows addresses other than loopback
    #[arg(long)]
    allow_any_address: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "sandbox: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let Arguments {
        entra,
        partner_center,
        script,
        allow_any_address,
    } = arguments;
    for (flag, address) in [("--entra", entra), ("--partner-center", partner_center)] {
        if !address.ip().is_loopback() && !allow_any_address {
            let told =
                format!("{flag}: {address} is not loopback; allow it with --allow-any-address");
            return Err(told.into());
        }
    }
    let script = script.map_or(Ok(Script::default()), |file| read(&file))?;
    let settings = Settings {
        script,
        ..Settings::default()
    };
    let sandbox = Sandbox::new(settings.clone());
    let listening = sandbox
        .listen(entra, partner_center)
        .await
        .map_err(|error| format!("cannot listen on {entra} and {partner_center}: {error}"))?;
    let documented = Transfer::documented();
    writeln!(
        io::stdout(),
        "Entra ID        http://{}\nPartner Center  http://{}\ntenant          {}\nclient ID       \
         {}\nclient secret   {}\ncustomer        {}\ntransfer        {}",
        listening.entra,
        listening.partner_center,
        settings.tenant,
        settings.client_id,
        settings.client_secret,
        documented.customer,
        documented.id,
    )?;
    Ok(tokio::signal::ctrl_c().await?)
}

fn read(file: &std::path::Path) -> Result<Script, Box<dyn Error>> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("--script: {}: {error}", file.display()))?;
    let script = Script::from_json(&text);
    Ok(script.map_err(|error| format!("--script: {}: {error}", file.display()))?)
}
