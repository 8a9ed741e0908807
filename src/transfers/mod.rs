//! The use case, free of HTTP.
//!
//! [`reject`] reads top to bottom: who calls, what is asked, may they, write it down, do it.

pub mod in_force;
pub mod reject;
pub mod request;
