//! The `partner-gateway` binary: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser as _;
use partner_gateway::cli;

fn main() -> ExitCode {
    ExitCode::from(cli::run(cli::Arguments::parse()))
}
