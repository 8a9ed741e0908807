//! A gateway that lets a company's internal services reject subscription transfers in Microsoft
//! Partner Center without any of them holding Partner Center credentials.
//!
//! The rooms, in the order in which a request meets them: [`app`] puts everything together, [`front`]
//! speaks HTTP, [`transfers`] is the use case, [`identity`] says who calls, [`authorization`] whether
//! they may, [`audit`] writes it down, [`token`] gets what Microsoft wants to see, and
//! [`partner_center`] sends the one request. `ARCHITECTURE.md` tells the rest.

pub mod app;
pub mod audit;
pub mod authorization;
pub mod cause;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod command;
pub mod config;
pub mod delivery;
pub mod file;
pub mod flight;
pub mod front;
pub mod http_client;
pub mod identity;
pub mod ids;
pub mod json;
pub mod measure;
pub mod partner_center;
pub mod secret;
pub mod shutdown;
pub mod spans;
pub mod telemetry;
pub mod token;
pub mod transfers;
pub mod validity;
