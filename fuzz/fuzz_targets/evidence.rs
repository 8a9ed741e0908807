//! Any bytes as a document of evidence: examining it ends.

#![no_main]

use libfuzzer_sys::fuzz_target;
use partner_gateway::audit::evidence::examine::examine;

fuzz_target!(|document: &[u8]| {
    drop(examine(document, None));
});
