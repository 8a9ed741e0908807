//! The pretend services on their own, for staging clusters and other people's tests.

use std::{
    error::Error,
    fmt::Display,
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use sandbox::{Listening, Sandbox, Script, Settings, Transfer};
use x509_parser::pem::Pem;

/// A pretend Entra ID and Partner Center, with the Kubernetes and Key Vault that a gateway keeps refresh
/// tokens in. Nothing behind it is real; do not send it real secrets.
#[derive(Debug, Parser)]
#[command(
    name = "sandbox",
    after_help = "Kubernetes (/api/v1/...) and Key Vault (/secrets/...) share Partner Center's address. A device \
                  code is approved by itself at the third poll.\n\nExit codes: 0 stopped by Ctrl-C, 1 could \
                  not start."
)]
struct Arguments {
    /// Where Entra ID listens
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDRESS")]
    entra: SocketAddr,
    /// Where Partner Center listens
    #[arg(long, default_value = "127.0.0.1:8082", value_name = "ADDRESS")]
    partner_center: SocketAddr,
    /// A certificate of the application, in PEM; may be given several times
    #[arg(long, value_name = "FILE")]
    certificate: Vec<PathBuf>,
    /// Has users sign in without MFA
    #[arg(long)]
    without_mfa: bool,
    /// Has Partner Center refuse users who signed in without MFA
    #[arg(long)]
    enforce_mfa: bool,
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
        certificate,
        without_mfa,
        enforce_mfa,
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
    let mut certificates = Vec::new();
    for file in &certificate {
        certificates.extend(read_certificates(file)?);
    }
    let settings = Settings {
        certificates,
        device_approval: Some(!without_mfa),
        enforce_mfa,
        script: script.map_or(Ok(Script::default()), |file| read_script(&file))?,
        ..Settings::default()
    };
    let sandbox = Sandbox::new(settings.clone());
    let listening = sandbox
        .listen(entra, partner_center)
        .await
        .map_err(|error| format!("cannot listen on {entra} and {partner_center}: {error}"))?;
    let refresh_token = sandbox.consent(!without_mfa);
    let (namespace, secret) = SECRET;
    sandbox.put_secret(namespace, secret, &[("refresh-token", &refresh_token)]);
    for (what, value) in told(&sandbox, &settings, &listening, refresh_token) {
        writeln!(io::stdout(), "{what:22}{value}")?;
    }
    Ok(tokio::signal::ctrl_c().await?)
}

/// Everything that a gateway needs to be configured for this sandbox.
fn told(
    sandbox: &Sandbox,
    settings: &Settings,
    listening: &Listening,
    refresh_token: String,
) -> [(&'static str, String); 12] {
    let Listening {
        entra,
        partner_center,
        ..
    } = listening;
    let documented = Transfer::documented();
    let (namespace, secret) = SECRET;
    let others = format!("http://{partner_center}");
    [
        ("Entra ID", format!("http://{entra}")),
        ("Partner Center", others.clone()),
        ("Kubernetes", others.clone()),
        ("Key Vault", others),
        ("tenant", settings.tenant.clone()),
        ("client ID", settings.client_id.clone()),
        ("client secret", settings.client_secret.clone()),
        ("refresh token", refresh_token),
        (
            "and in the secret",
            format!("{namespace}/{secret}, key refresh-token"),
        ),
        ("service account token", sandbox.service_account_token()),
        ("customer", documented.customer),
        ("transfer", documented.id),
    ]
}

fn read_script(file: &Path) -> Result<Script, Box<dyn Error>> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("--script: {}: {error}", file.display()))?;
    let script = Script::from_json(&text);
    Ok(script.map_err(|error| format!("--script: {}: {error}", file.display()))?)
}

fn read_certificates(file: &Path) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let wrong = |error: &dyn Display| format!("--certificate: {}: {error}", file.display());
    let text = std::fs::read(file).map_err(|error| wrong(&error))?;
    let certificates = Pem::iter_from_buffer(&text)
        .filter(|pem| pem.as_ref().map_or(true, |pem| pem.label == "CERTIFICATE"))
        .map(|pem| pem.map(|pem| pem.contents))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(&error))?;
    if certificates.is_empty() {
        return Err(wrong(&"no certificate in it").into());
    }
    Ok(certificates)
}

/// Namespace and name of the secret that the service account may use.
const SECRET: (&str, &str) = ("partner", "partner-center");
