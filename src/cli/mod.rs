//! The command line.

pub mod audit;
pub mod check;
pub mod explain;
pub mod login;
mod reload;
pub mod serve;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser as _},
};

use self::{check::Reach, explain::Question};
use crate::{
    command::Operation, config::environment::Environment, front::openapi, ids::CustomerId,
};

/// Rejects Microsoft Partner Center transfers for internal services that hold no Partner Center
/// credentials.
#[derive(Debug, Parser)]
#[command(name = "partner-gateway", version, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the gateway until SIGTERM or SIGINT.
    #[command(after_help = SERVE_HELP)]
    Serve {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Reads and validates the whole configuration, and every file that it names.
    #[command(after_help = CHECK_HELP)]
    Check {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Also gets one token for each account and fetches each issuer's keys.
        #[arg(long)]
        online: bool,
        #[command(flatten)]
        asked: Asked,
    },
    /// Has a person consent for an App+User account by device code, and stores the refresh token.
    #[command(after_help = LOGIN_HELP)]
    Login {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The account, by its name in the configuration.
        #[arg(long, value_name = "NAME")]
        account: String,
    },
    /// Looks after the audit journal.
    Audit {
        #[command(subcommand)]
        command: audit::Command,
    },
    /// Prints the description of both listeners, OpenAPI 3.1.
    #[command(after_help = OPENAPI_HELP)]
    Openapi,
}

/// What `check --explain` asks about.
#[derive(Debug, Args)]
struct Asked {
    /// Also tells how policy decides a call, and which rule decides it.
    #[arg(long, conflicts_with = "online", requires_all = ["principal", "operation", "customer"])]
    explain: bool,
    /// Who calls, by the name that audit records carry.
    #[arg(long, requires = "explain")]
    principal: Option<String>,
    /// What is to be done.
    #[arg(long, requires = "explain", value_parser = operation())]
    operation: Option<Operation>,
    /// To whom.
    #[arg(long, value_name = "GUID", requires = "explain")]
    customer: Option<CustomerId>,
    /// The account that the caller names; without it, the default account.
    #[arg(long, value_name = "NAME", requires = "explain")]
    account: Option<String>,
}

/// Runs the command that the arguments name, and returns the exit code.
#[must_use]
pub fn run(arguments: Arguments) -> u8 {
    match arguments.command {
        Command::Serve { config } => serve::run(&config),
        Command::Check {
            config,
            online,
            asked,
        } => {
            let reach = match asked.question() {
                Some(question) => Reach::Policy(question),
                None if online => Reach::Online,
                None => Reach::Files,
            };
            let environment = Environment::of_process();
            check::run(&config, &environment, &reach, &mut io::stdout().lock()).unwrap_or(1)
        }
        Command::Login { config, account } => {
            login::run(&config, &account, &Environment::of_process())
        }
        Command::Audit { command } => audit::run(command, &Environment::of_process()),
        Command::Openapi => openapi(&mut io::stdout().lock()),
    }
}

/// The answer to a reader who has gone is the same as to one who is full: it was not told.
fn openapi(out: &mut dyn Write) -> u8 {
    let told = out.write_all(openapi::text().as_bytes());
    u8::from(told.and_then(|()| out.flush()).is_err())
}

impl Asked {
    /// Nothing where nothing is asked.
    fn question(self) -> Option<Question> {
        Some(Question {
            principal: self.principal?,
            operation: self.operation?,
            customer: self.customer?,
            account: self.account,
        })
    }
}

fn operation() -> impl clap::builder::TypedValueParser<Value = Operation> {
    let named = |name: String| Operation::ALL.into_iter().find(|it| it.as_str() == name);
    PossibleValuesParser::new(Operation::ALL.map(Operation::as_str))
        .try_map(move |name| named(name).ok_or("not an operation"))
}

const SERVE_HELP: &str = "\
Exit codes:
  0  left after a clean drain
  1  could not start; one line on stderr says what, where and the mend
  3  left with calls still under way when the drain ran out of time

Any scalar of the configuration can be overridden by an environment variable:
  PARTNER_GATEWAY__SERVER__LISTEN=0.0.0.0:8080 partner-gateway serve --config gateway.yaml";

const CHECK_HELP: &str = "\
Faults make a configuration unsound, and the gateway does not start with it. Notices do not: rules that
never decide because those before them grant all that they grant, rates that hang on the order of rules,
and keys without effect. The gateway tells them in its log when it starts.

--explain prints what policy decides about a call, the name and place of the rule that decides, and the
code with which the gateway refuses the call where policy denies it. It does not look whether the caller
is known, nor how much is left of a rate.

Exit codes:
  0  sound; with --explain, allowed
  1  unsound; every fault is printed with its file, line and key
  2  with --explain, denied; also a command line that is not understood

Examples:
  partner-gateway check --config gateway.yaml --online
  partner-gateway check --config gateway.yaml --explain --principal billing \\
    --operation transfers.reject --customer b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0";

const LOGIN_HELP: &str = "\
Prints a page and a code. Whoever opens the page in a browser, anywhere, enters the code and signs in with
a second factor, consents to what the gateway does in their name. The refresh token that comes of it takes
the place of what the account's refresh_token names held before; it is never printed. A gateway that runs
finds it there by itself. The store is tried before anybody is asked.

Instructions and results go to stdout, everything else to stderr. No terminal is needed.

Exit codes:
  0    stored
  1    not stored; stderr says why, and the mend
  2    a command line that is not understood
  130  interrupted by SIGINT or SIGTERM; nothing was stored

Example:
  partner-gateway login --config gateway.yaml --account contoso";

const OPENAPI_HELP: &str = "\
It needs no configuration, and is the same for every gateway of one version.

Exit codes:
  0  printed
  1  not printed, as nobody reads
  2  a command line that is not understood

Example:
  partner-gateway openapi > openapi.json";
