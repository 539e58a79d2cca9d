//! The stores of a session, from the outside: on disk, in memory, and against small servers on the loopback address.
#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]

mod conformance;
mod files;
mod http;
mod s3;
mod server;

use dolmen_storage::{AccessPolicy, Environment, ExternalAccess, Location, PathBase, Stores, StoresConfig};

/// Stores with a policy, and nothing from the environment.
fn stores(external_access: ExternalAccess, read_only: bool) -> Stores {
    stores_with(external_access, read_only, &[])
}

fn stores_with(external_access: ExternalAccess, read_only: bool, options: &[(&str, &str)]) -> Stores {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let config = StoresConfig {
        policy: AccessPolicy::new(external_access, read_only),
        options: options.iter().map(owned).collect(),
        environment: Environment::empty(),
        io_runtime: None,
    };
    Stores::new(config).unwrap()
}

fn location(text: &str) -> Location {
    Location::parse_from(text, &PathBase::default()).unwrap()
}
