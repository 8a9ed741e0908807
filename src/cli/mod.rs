//! The command line.

pub mod check;
pub mod serve;

use std::{io, path::PathBuf};

use clap::{Parser, Subcommand};

use self::check::Reach;
use crate::config::environment::Environment;

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
        /// Also gets one token for each account.
        #[arg(long)]
        online: bool,
    },
}

/// Runs the command that the arguments name, and returns the exit code.
#[must_use]
pub fn run(arguments: Arguments) -> u8 {
    match arguments.command {
        Command::Serve { config } => serve::run(&config),
        Command::Check { config, online } => {
            let reach = if online { Reach::Online } else { Reach::Files };
            let environment = Environment::of_process();
            check::run(&config, &environment, reach, &mut io::stdout().lock()).unwrap_or(1)
        }
    }
}

const SERVE_HELP: &str = "\
Exit codes:
  0  left after a clean drain
  1  could not start; one line on stderr says what, where and the mend
  3  left with calls still under way when the drain ran out of time

Any scalar of the configuration can be overridden by an environment variable:
  PARTNER_GATEWAY__SERVER__LISTEN=0.0.0.0:8080 partner-gateway serve --config gateway.yaml";

const CHECK_HELP: &str = "\
Exit codes:
  0  sound
  1  unsound; every fault is printed with its file, line and key

Example:
  partner-gateway check --config gateway.yaml --online";
