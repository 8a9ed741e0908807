//! How the application proves who it is.

use std::collections::HashMap;

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use x509_parser::parse_x509_certificate;

use super::{
    Endpoint,
    assertion::{Assertion, NotANumber},
    cluster,
    form::Form,
    refusal::{Refusal, invalid_client, refusal},
};
use crate::{
    keys::{self, Signer},
    sandbox::Sandbox,
    settings::Settings,
    tokens::Proof,
};

/// What the application is registered with.
#[derive(Debug)]
pub(crate) struct Registration {
    secret: String,
    certificates: Vec<Vec<u8>>,
    /// The `jti` of each assertion that was taken, and when it ends.
    used: HashMap<String, u64>,
}

impl Sandbox {
    /// Rotates the application's secret.
    pub fn set_client_secret(&self, secret: &str) {
        secret.clone_into(&mut self.state().registration.secret);
    }

    /// Registers one more certificate, given as DER, for the application.
    pub fn register_certificate(&self, der: &[u8]) {
        self.state().registration.certificates.push(der.to_vec());
    }
}

impl Registration {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            secret: settings.client_secret.clone(),
            certificates: settings.certificates.clone(),
            used: HashMap::new(),
        }
    }

    /// What the form proves; a proof that is shown must hold.
    pub(super) fn prove(
        &mut self,
        form: &Form,
        client_id: &str,
        endpoint: &Endpoint<'_>,
    ) -> Result<Proof, Refusal> {
        if form.need("client_id")? != client_id {
            return Err(invalid_client(700_016, "Application not found."));
        }
        match (form.field("client_secret"), form.field("client_assertion")) {
            (None, None) => Ok(Proof::Nothing),
            (Some(_), Some(_)) => Err(refusal(
                400,
                "invalid_request",
                90_023,
                "A client_secret and a client_assertion must not be sent together.",
            )),
            (Some(secret), None) if secret == self.secret => Ok(Proof::Secret),
            (Some(_), None) => Err(invalid_client(7_000_215, "Invalid client secret provided.")),
            (None, Some(text)) => {
                if form.need("client_assertion_type")? != ASSERTION_TYPE {
                    let told = "The client_assertion_type is not one that is supported.";
                    return Err(refusal(400, "invalid_request", 90_023, told));
                }
                let assertion = Assertion::read(text)
                    .ok_or_else(|| invalid_client(50_027, "JWT token is invalid or malformed."))?;
                self.believe(&assertion, client_id, endpoint)?;
                Ok(Proof::Assertion)
            }
        }
    }

    /// An assertion that the application issued itself is signed by a certificate, another one federated.
    fn believe(
        &mut self,
        assertion: &Assertion<'_>,
        client_id: &str,
        endpoint: &Endpoint<'_>,
    ) -> Result<(), Refusal> {
        let names_certificate = THUMBPRINTS
            .iter()
            .any(|(name, _)| assertion.header(name).is_some());
        if names_certificate || assertion.claim("iss") == Some(client_id) {
            self.certified(assertion, client_id, endpoint)
        } else {
            federated(assertion, endpoint.now)
        }
    }

    fn certified(
        &mut self,
        assertion: &Assertion<'_>,
        client_id: &str,
        endpoint: &Endpoint<'_>,
    ) -> Result<(), Refusal> {
        let unsigned = |reason: &str| {
            let told =
                format!("Client assertion contains an invalid signature. [Reason - {reason}]");
            invalid_client(700_027, &told)
        };
        let certificate = self.named_by(assertion);
        let certificate = certificate.ok_or_else(|| unsigned("The key was not found."))?;
        let signed = public_key(certificate).is_some_and(|key| assertion.is_signed_by(&key));
        if !signed {
            return Err(unsigned(
                "The key was found, but the signature is not of it.",
            ));
        }
        if !assertion.is_for(|audience| endpoint.is_named_by(audience)) {
            let told = "Client assertion audience claim does not match Realm issuer.";
            return Err(invalid_client(700_023, told));
        }
        let whose = (assertion.claim("iss"), assertion.claim("sub"));
        if whose != (Some(client_id), Some(client_id)) {
            let told =
                "Client assertion application identifier doesn't match 'client_id' parameter.";
            return Err(invalid_client(700_021, told));
        }
        let ends = in_time(assertion, LONGEST_LIFE, endpoint.now)?;
        let id = assertion
            .claim("jti")
            .ok_or_else(|| invalid_client(50_027, "JWT token has no 'jti'."))?;
        self.used.retain(|_, ends| *ends > endpoint.now);
        match self.used.insert(id.to_owned(), ends) {
            Some(_) => Err(unsigned("The assertion was used before.")),
            None => Ok(()),
        }
    }

    /// The registered certificate whose thumbprint the header has.
    fn named_by(&self, assertion: &Assertion<'_>) -> Option<&[u8]> {
        let mut named = THUMBPRINTS
            .iter()
            .filter_map(|(name, hash)| Some((unpadded(assertion.header(name)?), *hash)));
        let (thumbprint, hash) = named.next()?;
        let found = self.certificates.iter().find(|der| {
            let digest = digest::digest(hash, der);
            URL_SAFE_NO_PAD.encode(digest) == thumbprint
        });
        found.map(Vec::as_slice)
    }
}

/// A token of the cluster that the application trusts.
fn federated(assertion: &Assertion<'_>, now: u64) -> Result<(), Refusal> {
    if assertion.claim("iss") != Some(cluster::ISSUER) {
        let told = "No matching federated identity record found for presented assertion issuer.";
        return Err(invalid_client(700_211, told));
    }
    let subject = assertion.claim("sub") == Some(cluster::SUBJECT);
    if !subject || !assertion.is_for(|audience| audience == cluster::AUDIENCE) {
        let told = "No matching federated identity record found for presented assertion.";
        return Err(refusal(400, "invalid_request", 70_021, told));
    }
    if !keys::public(Signer::Cluster).is_some_and(|key| assertion.is_signed_by(&key)) {
        let told = "Client assertion contains an invalid signature.";
        return Err(invalid_client(700_027, told));
    }
    in_time(assertion, u64::MAX, now).map(drop)
}

/// When an assertion ends that holds now; its life in seconds is bounded.
fn in_time(assertion: &Assertion<'_>, longest: u64, now: u64) -> Result<u64, Refusal> {
    let malformed = |_: NotANumber| {
        let told = "JWT token is invalid or malformed: a time is no number.";
        invalid_client(50_027, told)
    };
    let ends = assertion.time("exp").map_err(malformed)?;
    let not_before = assertion.time("nbf").map_err(malformed)?;
    let issued = assertion.time("iat").map_err(malformed)?;
    let (Some(ends), Some(begins)) = (ends, not_before.or(issued)) else {
        return Err(invalid_client(
            50_027,
            "JWT token has no 'exp', 'nbf' or 'iat'.",
        ));
    };
    let lasts = ends.saturating_sub(begins);
    if ends <= now || begins > now + SKEW || lasts > longest {
        let told = format!(
            "Client assertion is not within its valid time range. Current time: {now}, assertion \
             valid from {begins}, expiry time of assertion {ends}."
        );
        return Err(invalid_client(700_024, &told));
    }
    Ok(ends)
}

fn public_key(certificate: &[u8]) -> Option<DecodingKey> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    let key = certificate.public_key();
    Some(DecodingKey::from_rsa_der(&key.subject_public_key.data))
}

/// Microsoft's libraries differ in the alphabet and the padding, and Entra ID takes them all.
fn unpadded(thumbprint: &str) -> String {
    thumbprint
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The headers that name a certificate, the better one first.
const THUMBPRINTS: [(&str, &digest::Algorithm); 2] =
    [("x5t#S256", &SHA256), ("x5t", &SHA1_FOR_LEGACY_USE_ONLY)];

/// In seconds; Microsoft's page on certificate credentials recommends 5 to 10 minutes at most.
const LONGEST_LIFE: u64 = 600;

/// In seconds; the default of Microsoft's own validation.
const SKEW: u64 = 300;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jsonwebtoken::{Algorithm, EncodingKey};
    use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        time::unix_seconds,
        trial::{self, Told, claims, post, refused},
    };

    #[tokio::test]
    async fn takes_assertions_of_a_registered_certificate() {
        let us = Us::new();
        for (algorithm, thumbprint) in [
            (Algorithm::PS256, "x5t#S256"),
            (Algorithm::RS256, "x5t#S256"),
            (Algorithm::RS256, "x5t"),
        ] {
            let mut header = us.header();
            header["alg"] = json!(algorithm);
            header.as_object_mut().unwrap().remove("x5t#S256");
            header[thumbprint] = json!(us.thumbprint(thumbprint));

            let (status, body) = us.show(&us.sign(algorithm, &header, &us.claims())).await;

            assert_eq!(status, 200, "{algorithm:?} {thumbprint}: {body}");
            assert_eq!(claims(&body["access_token"])["appidacr"], "2");
        }
    }

    #[tokio::test]
    async fn takes_the_audiences_that_name_the_endpoint() {
        let us = Us::new();
        for path in ["/oauth2/v2.0/token", "/oauth2/token", "/v2.0"] {
            let mut claims = us.claims();
            claims["aud"] = json!(format!("https://login.test/{}{path}", us.settings.tenant));

            let told = us.show(&us.signed(&claims)).await;

            assert_eq!(told.0, 200, "{path}: {}", told.1);
        }
    }

    #[tokio::test]
    async fn takes_what_microsofts_library_for_python_sends() {
        let us = Us::new();
        let mut header = us.header();
        let padded = format!("{}=", us.thumbprint("x5t#S256"));
        header["x5t#S256"] = json!(padded);
        let mut claims = us.claims();
        let now = f64::from(u32::try_from(unix_seconds()).unwrap());
        claims["exp"] = json!(now + 600.5);
        claims.as_object_mut().unwrap().remove("nbf");

        let told = us.show(&us.sign(Algorithm::PS256, &header, &claims)).await;

        assert_eq!(told.0, 200, "{}", told.1);
    }

    #[tokio::test]
    async fn refuses_claims_that_are_not_as_they_should_be() {
        let us = Us::new();
        let now = unix_seconds();
        for (claim, value, code) in [
            (
                "aud",
                json!("https://login.test/another/oauth2/v2.0/token"),
                700_023,
            ),
            (
                "aud",
                json!("https://login.other/oauth2/v2.0/token"),
                700_023,
            ),
            ("iss", json!("another"), 700_021),
            ("sub", json!("another"), 700_021),
            ("exp", json!(now), 700_024),
            ("exp", json!((now + 300).to_string()), 50_027),
            ("exp", json!(now + 700), 700_024),
            ("nbf", json!(now.to_string()), 50_027),
            ("nbf", json!(now + 400), 700_024),
            ("iat", json!(now.to_string()), 50_027),
            ("jti", json!(7), 50_027),
        ] {
            let mut claims = us.claims();
            claims[claim] = value.clone();

            let told = us.show(&us.signed(&claims)).await;

            let wanted = (401, "invalid_client", code);
            assert_eq!(refused(&told), wanted, "{claim} {value}");
        }
    }

    #[tokio::test]
    async fn refuses_signatures_of_other_certificates_and_algorithms() {
        let us = Us::new();
        let other = Us::new();
        let unsigned = us.signed(&us.claims());
        let (unsigned, _) = unsigned.rsplit_once('.').unwrap();
        let mut strange = us.header();
        strange["x5t#S256"] = json!(other.thumbprint("x5t#S256"));
        let mut nameless = us.header();
        nameless.as_object_mut().unwrap().remove("x5t#S256");
        let mut longer = us.header();
        longer["alg"] = json!("RS512");
        for (what, assertion) in [
            (
                "another's key",
                other.sign(Algorithm::PS256, &us.header(), &us.claims()),
            ),
            (
                "unknown certificate",
                other.sign(Algorithm::PS256, &strange, &us.claims()),
            ),
            (
                "no thumbprint",
                us.sign(Algorithm::PS256, &nameless, &us.claims()),
            ),
            (
                "another algorithm",
                us.sign(Algorithm::RS512, &longer, &us.claims()),
            ),
            ("no signature", format!("{unsigned}.")),
        ] {
            let told = us.show(&assertion).await;

            assert_eq!(refused(&told), (401, "invalid_client", 700_027), "{what}");
        }
    }

    #[tokio::test]
    async fn refuses_an_assertion_that_was_used_before() {
        let us = Us::new();
        let assertion = us.signed(&us.claims());
        let first = us.show(&assertion).await;

        let again = us.show(&assertion).await;

        assert_eq!(first.0, 200);
        assert_eq!(refused(&again), (401, "invalid_client", 700_027));
    }

    #[tokio::test(start_paused = true)]
    async fn judges_assertions_by_the_time_that_was_set() {
        let us = Us::new();
        let later = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(unix_seconds() + 290);
        us.sandbox.set_wall_time(later);
        let (one, two) = (us.signed(&us.claims()), us.signed(&us.claims()));

        let now = us.show(&one).await;
        tokio::time::advance(Duration::from_secs(30)).await;
        let after = us.show(&two).await;

        assert_eq!(now.0, 200, "{}", now.1);
        assert_eq!(refused(&after), (401, "invalid_client", 700_024));
    }

    #[tokio::test]
    async fn takes_the_tokens_of_the_trusted_cluster_again_and_again() {
        let us = Us::new();
        let token = us.sandbox.federated_token(Duration::from_hours(1));

        for _ in 0..2 {
            let told = us.show(&token).await;

            assert_eq!(told.0, 200, "{}", told.1);
        }
    }

    #[tokio::test]
    async fn refuses_other_clusters_subjects_and_ends() {
        let us = Us::new();
        let good = json!({
            "aud": cluster::AUDIENCE, "iss": cluster::ISSUER, "sub": cluster::SUBJECT,
            "iat": unix_seconds(), "nbf": unix_seconds(), "exp": unix_seconds() + 60,
        });
        let but = |claim: &str, value: Value| {
            let mut claims = good.clone();
            claims[claim] = value;
            keys::sign(Signer::Cluster, &claims).unwrap()
        };
        let forged = keys::sign(Signer::Entra, &good).unwrap();
        for (token, wanted) in [
            (
                but("iss", json!("https://other/")),
                (401, "invalid_client", 700_211),
            ),
            (
                but("sub", json!("system:serviceaccount:a:b")),
                (400, "invalid_request", 70_021),
            ),
            (
                but("aud", json!("partner-gateway")),
                (400, "invalid_request", 70_021),
            ),
            (
                us.sandbox.federated_token(Duration::ZERO),
                (401, "invalid_client", 700_024),
            ),
            (forged, (401, "invalid_client", 700_027)),
        ] {
            let told = us.show(&token).await;

            assert_eq!(refused(&told), wanted);
        }
    }

    #[tokio::test]
    async fn refuses_a_client_that_shows_nothing_or_too_much() {
        let us = Us::new();
        let assertion = us.signed(&us.claims());
        let secret = us.settings.client_secret.as_str();
        for (shown, wanted) in [
            (vec![], (401, "invalid_client", 7_000_218)),
            (
                vec![("client_secret", "wrong")],
                (401, "invalid_client", 7_000_215),
            ),
            (
                vec![("client_assertion", assertion.as_str())],
                (400, "invalid_request", 900_144),
            ),
            (
                vec![
                    ("client_assertion", "x"),
                    ("client_assertion_type", ASSERTION_TYPE),
                ],
                (401, "invalid_client", 50_027),
            ),
            (
                vec![("client_secret", secret), ("client_assertion", &assertion)],
                (400, "invalid_request", 90_023),
            ),
        ] {
            let form = [&FORM[..], &shown].concat();

            let told = post(&us.sandbox, trial::Endpoint::V2, &form).await.unwrap();

            assert_eq!(refused(&told), wanted);
        }
    }

    #[tokio::test]
    async fn shows_what_an_assertion_said_and_not_its_signature() {
        let us = Us::new();
        let claims = us.claims();
        us.show(&us.signed(&claims)).await;

        let seen = us.sandbox.token_requests();

        let assertion = seen[0].assertion.as_ref().unwrap();
        assert_eq!(assertion["claims"], claims);
        assert_eq!(assertion["header"], us.header());
        let hidden = ("client_assertion".to_owned(), "(not shown)".to_owned());
        assert!(seen[0].form.contains(&hidden));
    }

    /// An application with a certificate of its own.
    struct Us {
        sandbox: Sandbox,
        settings: Settings,
        key: EncodingKey,
        der: Vec<u8>,
    }

    impl Us {
        fn new() -> Self {
            let pair = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
            let certificate = CertificateParams::default().self_signed(&pair).unwrap();
            let sandbox = Sandbox::new(Settings::default());
            sandbox.register_certificate(certificate.der());
            Self {
                sandbox,
                settings: Settings::default(),
                // What stands before the key itself in a PKCS #8 document of a 2048-bit RSA key.
                key: EncodingKey::from_rsa_der(&pair.serialize_der()[26..]),
                der: certificate.der().to_vec(),
            }
        }

        fn thumbprint(&self, name: &str) -> String {
            let (_, hash) = THUMBPRINTS.iter().find(|(is, _)| *is == name).unwrap();
            URL_SAFE_NO_PAD.encode(digest::digest(hash, &self.der))
        }

        fn header(&self) -> Value {
            json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint("x5t#S256")})
        }

        fn claims(&self) -> Value {
            let Settings {
                tenant, client_id, ..
            } = &self.settings;
            json!({
                "aud": format!("http://login.test/{tenant}/oauth2/v2.0/token"),
                "iss": client_id,
                "sub": client_id,
                "jti": uuid::Uuid::new_v4().to_string(),
                "iat": unix_seconds(),
                "nbf": unix_seconds() - 30,
                "exp": unix_seconds() + 300,
            })
        }

        fn signed(&self, claims: &Value) -> String {
            self.sign(Algorithm::PS256, &self.header(), claims)
        }

        fn sign(&self, algorithm: Algorithm, header: &Value, claims: &Value) -> String {
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", part(header), part(claims));
            let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, algorithm);
            format!("{signed}.{}", signature.unwrap())
        }

        async fn show(&self, assertion: &str) -> Told {
            let shown = [
                ("client_assertion", assertion),
                ("client_assertion_type", ASSERTION_TYPE),
            ];
            let form = [&FORM[..], &shown].concat();
            post(&self.sandbox, trial::Endpoint::V2, &form)
                .await
                .unwrap()
        }
    }

    const FORM: [(&str, &str); 2] = [
        ("grant_type", "client_credentials"),
        ("scope", "https://api.partnercenter.microsoft.com/.default"),
    ];
}
