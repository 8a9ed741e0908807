//! Everything that knows HTTP servers and tower.
//!
//! The stack, outermost first; [`stack::stack`] is the one function that builds it:
//!
//! | layer | what it does |
//! |---|---|
//! | [`entry::Entry`] | gives the call its identifiers, and the answer its headers |
//! | [`audited::Audited`] | runs the call to its end whatever the caller does; records, then answers |
//! | [`rescue::Rescue`] | the last place where an error exists |
//! | `LoadShed`, `ConcurrencyLimit`, `Timeout` | bounds |
//! | [`handler::Handler`] | turns the request into a command and the verdict into a reply |

pub mod admin;
pub mod audited;
pub mod circuit;
pub mod connection;
pub mod detail;
pub mod door;
pub mod entry;
pub mod exchange;
pub mod form;
pub mod handler;
pub mod heads;
pub mod listener;
pub mod names;
pub mod openapi;
pub mod probe;
pub mod problem;
pub mod reading;
pub mod rendered;
pub mod reply;
pub mod rescue;
pub mod route;
mod scrape;
pub mod searching;
pub mod settings;
pub mod stack;
pub mod stray;
pub mod tally;
pub mod tls;
mod traced;
