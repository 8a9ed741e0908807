//! The paths of the services.

/// What listens at Partner Center's address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Service {
    KeyVault,
    Kubernetes,
    PartnerCenter,
}

/// Whose path it is, of those who share an address.
pub(crate) fn service(path: &str) -> Service {
    if path.starts_with("/api/v1/") {
        Service::Kubernetes
    } else if path.starts_with("/secrets/") {
        Service::KeyVault
    } else {
        Service::PartnerCenter
    }
}

/// The customer and the transfer of `/v1/customers/{customer}/transfers/{transfer}`, whatever they are.
pub(crate) fn transfer(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/v1/customers/")?;
    let (customer, rest) = rest.split_once('/')?;
    let transfer = rest.strip_prefix("transfers/")?;
    (!transfer.contains('/')).then_some((customer, transfer))
}

/// The same in lower case, as transfers are held.
pub(crate) fn lower_case_transfer(path: &str) -> Option<(String, String)> {
    let (customer, transfer) = transfer(path)?;
    Some((customer.to_lowercase(), transfer.to_lowercase()))
}

/// The secrets of a namespace, or one of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SecretPath<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: Option<&'a str>,
}

/// What `/api/v1/namespaces/{namespace}/secrets` and the paths of its secrets name.
pub(crate) fn secret(path: &str) -> Option<SecretPath<'_>> {
    let rest = path.strip_prefix("/api/v1/namespaces/")?;
    let (namespace, rest) = rest.split_once('/')?;
    let name = match rest.split_once('/') {
        None if rest == "secrets" => None,
        Some(("secrets", name)) if !name.is_empty() && !name.contains('/') => Some(name),
        _ => return None,
    };
    Some(SecretPath { namespace, name })
}

/// The name and the version of `/secrets/{name}/{version}`; the version may be absent or empty.
pub(crate) fn vault_secret(path: &str) -> Option<(&str, Option<&str>)> {
    let rest = path.strip_prefix("/secrets/")?;
    match rest.split_once('/') {
        None | Some((_, "")) => Some((rest.trim_end_matches('/'), None)),
        Some((name, version)) => (!version.contains('/')).then_some((name, Some(version))),
    }
}

/// A path of Entra ID.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Entra<'a> {
    Token { tenant: &'a str, version: Version },
    DeviceCode { tenant: &'a str },
    Configuration { tenant: &'a str, version: Version },
    Keys,
    Unknown,
}

/// The version of an endpoint, which is not the version of its tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Version {
    V1,
    V2,
}

pub(crate) fn entra(path: &str) -> Entra<'_> {
    let Some((tenant, rest)) = path.strip_prefix('/').and_then(|path| path.split_once('/')) else {
        return Entra::Unknown;
    };
    match rest {
        "oauth2/token" => Entra::Token {
            tenant,
            version: Version::V1,
        },
        "oauth2/v2.0/token" => Entra::Token {
            tenant,
            version: Version::V2,
        },
        "oauth2/v2.0/devicecode" => Entra::DeviceCode { tenant },
        ".well-known/openid-configuration" => Entra::Configuration {
            tenant,
            version: Version::V1,
        },
        "v2.0/.well-known/openid-configuration" => Entra::Configuration {
            tenant,
            version: Version::V2,
        },
        "discovery/keys" | "discovery/v2.0/keys" => Entra::Keys,
        _ => Entra::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_whose_path_it_is() {
        for (path, whose) in [
            ("/v1/customers/a/transfers/b", Service::PartnerCenter),
            ("/secrets", Service::PartnerCenter),
            ("/secrets/a/b", Service::KeyVault),
            ("/api/v1/namespaces/a/secrets/b", Service::Kubernetes),
        ] {
            assert_eq!(service(path), whose, "{path}");
        }
    }

    #[test]
    fn finds_secrets_and_nothing_beside_them() {
        let named = |name| SecretPath {
            namespace: "a",
            name,
        };
        for (path, found) in [
            ("/api/v1/namespaces/a/secrets", Some(named(None))),
            ("/api/v1/namespaces/a/secrets/b", Some(named(Some("b")))),
            ("/api/v1/namespaces/a/secrets/", None),
            ("/api/v1/namespaces/a/secrets/b/c", None),
            ("/api/v1/namespaces/a/configmaps/b", None),
            ("/api/v1/namespaces/a", None),
        ] {
            assert_eq!(secret(path), found, "{path}");
        }
        for (path, found) in [
            ("/secrets/a", Some(("a", None))),
            ("/secrets/a/", Some(("a", None))),
            ("/secrets/a/b", Some(("a", Some("b")))),
            ("/secrets/a/b/c", None),
        ] {
            assert_eq!(vault_secret(path), found, "{path}");
        }
    }

    #[test]
    fn finds_a_transfer_and_nothing_beside_it() {
        assert_eq!(transfer("/v1/customers/a/transfers/b"), Some(("a", "b")));
        for path in [
            "/v1/customers/a/transfers",
            "/v1/customers/a/transfers/b/c",
            "/customers/a",
        ] {
            assert_eq!(transfer(path), None, "{path}");
        }
    }
}
