//! Names of Kubernetes' service accounts:
//! <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/>.

/// Whether a name claims to be a service account's, rightly or not.
pub(in crate::identity) fn claims_to_be(name: &str) -> bool {
    name.starts_with(SERVICE_ACCOUNT)
}

/// The namespace and the name of a service account; nothing where it is not one.
pub(in crate::identity) fn service_account(name: &str) -> Option<(&str, &str)> {
    let (namespace, name) = name.strip_prefix(SERVICE_ACCOUNT)?.split_once(':')?;
    (is_name(namespace) && is_name(name)).then_some((namespace, name))
}

/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>, DNS subdomain names.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
    };
    !name.is_empty() && name.bytes().all(plain)
}

/// The beginning of the names of service accounts.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_service_account_by_its_name() {
        for (name, account) in [
            ("system:serviceaccount:a:b-1.c", Some(("a", "b-1.c"))),
            ("system:serviceaccount:a:b:c", None),
            ("system:serviceaccount:a", None),
            ("system:serviceaccount::b", None),
            ("system:serviceaccount:a:", None),
            ("system:serviceaccount:A:b", None),
        ] {
            assert_eq!(service_account(name), account, "{name}");
            assert!(claims_to_be(name), "{name}");
        }
        for name in ["system:node:a", "billing", "x:system:serviceaccount:a:b"] {
            assert_eq!(service_account(name), None, "{name}");
            assert!(!claims_to_be(name), "{name}");
        }
    }
}
