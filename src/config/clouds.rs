//! Microsoft's clouds: where tokens come from, where Partner Center is, and what to ask for.

/// One of Microsoft's clouds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cloud {
    /// The public cloud.
    Global,
    /// The cloud that 21Vianet operates in China.
    China,
    /// The former cloud of Germany.
    Germany,
    /// The cloud of the government of the United States.
    UsGovernment,
}

/// What a cloud's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Endpoints {
    /// Entra ID's authority.
    pub(crate) authority: &'static str,
    /// Partner Center's API.
    pub(crate) api: &'static str,
    /// The scope of a token for that API.
    pub(crate) scope: &'static str,
}

impl Cloud {
    /// Every cloud under its name in the configuration.
    pub(crate) const NAMES: [(&'static str, Self); 4] = [
        ("global", Self::Global),
        ("china", Self::China),
        ("germany", Self::Germany),
        ("us_government", Self::UsGovernment),
    ];

    /// The cloud's endpoints.
    pub(crate) const fn endpoints(self) -> Endpoints {
        match self {
            Self::Global => GLOBAL,
            Self::China => CHINA,
            Self::Germany => GERMANY,
            Self::UsGovernment => US_GOVERNMENT,
        }
    }

    /// What an operator who chooses this cloud should know.
    pub(crate) const fn caution(self) -> Option<&'static str> {
        match self {
            Self::Global => None,
            Self::Germany => Some("this cloud closed in October 2021"),
            Self::China | Self::UsGovernment => {
                Some("Microsoft documents transfers for the public cloud only")
            }
        }
    }
}

/// <https://learn.microsoft.com/partner-center/developer/partner-center-rest-urls>
const GLOBAL: Endpoints = Endpoints {
    authority: "https://login.microsoftonline.com",
    api: "https://api.partnercenter.microsoft.com",
    scope: "https://api.partnercenter.microsoft.com/.default",
};

/// The API as in the page above; the authority as in
/// <https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud>. The older
/// authority `https://login.chinacloudapi.cn` is still seen in use and can be set under `endpoints`.
const CHINA: Endpoints = Endpoints {
    authority: "https://login.partner.microsoftonline.cn",
    api: "https://partner.partnercenterapi.microsoftonline.cn",
    scope: "https://partner.partnercenterapi.microsoftonline.cn/.default",
};

/// As last known before the cloud closed:
/// <https://learn.microsoft.com/previous-versions/azure/germany/germany-welcome>.
const GERMANY: Endpoints = Endpoints {
    authority: "https://login.microsoftonline.de",
    api: GLOBAL.api,
    scope: GLOBAL.scope,
};

/// The API is the public cloud's; the authority as in
/// <https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud>.
const US_GOVERNMENT: Endpoints = Endpoints {
    authority: "https://login.microsoftonline.us",
    api: GLOBAL.api,
    scope: GLOBAL.scope,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::endpoint::{base_url, scope};

    #[test]
    fn holds_endpoints_that_the_configuration_itself_would_accept() {
        for (name, cloud) in Cloud::NAMES {
            let endpoints = cloud.endpoints();

            assert!(base_url(endpoints.authority).is_ok(), "{name}");
            assert!(base_url(endpoints.api).is_ok(), "{name}");
            assert_eq!(
                scope(endpoints.scope),
                Ok(format!("{}/.default", endpoints.api)),
                "{name}"
            );
        }
    }
}
