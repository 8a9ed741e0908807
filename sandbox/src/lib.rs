//! A pretend Entra ID and Partner Center, with a Kubernetes API server and a Key Vault beside them.
//!
//! They behave as the real ones are documented, oddities included, and hold state: a transfer that was
//! rejected stays rejected. They keep what they saw, and misbehave on request, by a [`Script`] or fault
//! by fault ([`Sandbox::push_fault`]). Tests call them in memory, everybody else over TCP
//! ([`Sandbox::listen`]).
//!
//! Nothing here is shared with the gateway, so that a field misspelt there does not fit here.

mod activity;
mod answer;
mod entra;
mod faults;
mod framing;
mod key_vault;
mod keys;
mod kubernetes;
mod listen;
mod log;
mod partner_center;
mod routes;
mod sandbox;
mod script;
mod settings;
mod time;
mod tokens;
mod transfers;
#[cfg(test)]
mod trial;
mod turns;
mod wire;

pub use self::{
    activity::Activity,
    answer::{Answer, Dropped},
    entra::{consent::Rotation, device::Decision},
    kubernetes::secrets::Secret,
    listen::Listening,
    log::{Seen, TokenRequest},
    sandbox::Sandbox,
    script::{Fault, Script, ScriptError, Target, Then},
    settings::Settings,
    transfers::{History, Transfer},
    turns::Turn,
};
