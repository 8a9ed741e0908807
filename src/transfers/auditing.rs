//! Who may read the audit journal.

use std::sync::Arc;

use crate::{
    audit::trail::Trail,
    authorization::{Wish, permit::Admission},
    command::{Command as _, ReadAudit},
    identity::{
        Unidentified,
        caller::{Auth, Caller},
    },
    transfers::{Transfers, in_force::Rules, refusal::Refusal, request::Presented},
};

/// Who wants to read the journal, and the rules that it is judged by.
#[derive(Debug)]
pub struct Reader {
    caller: Caller,
    rules: Arc<Rules>,
}

impl Transfers {
    /// Finds out who wants to read the journal. A caller without any credential counts only where
    /// nobody else can connect.
    ///
    /// # Errors
    ///
    /// When nobody is known by what was presented.
    pub async fn reader(
        &self,
        presented: &Presented,
        takes_anonymous: bool,
        trail: &Trail,
    ) -> Result<Reader, Refusal> {
        let rules = self.in_force.rules();
        let caller = self.recognise(&rules, presented).await?;
        if caller.auth() == Auth::Nothing && !takes_anonymous {
            return Err(Unidentified::Missing.into());
        }
        Self::note(&caller, trail);
        Ok(Reader { caller, rules })
    }

    /// Finds out whether a caller may read the journal, now. One journal has the records of all accounts,
    /// so reading must be granted for each of them; the rule for the default account is the one told.
    ///
    /// # Errors
    ///
    /// When policy does not allow it, or not so often.
    pub fn admit_reader(
        &self,
        reader: &Reader,
        command: ReadAudit,
        trail: &Trail,
    ) -> Result<Admission<ReadAudit>, Refusal> {
        let facts = trail.facts();
        let Reader { caller, rules } = reader;
        let policy = &rules.policy;
        facts.policy.get_or_init(|| policy.hash().into());
        let granted = self.accounts.all().all(|account| {
            let wish = Wish {
                principal: caller.principal(),
                operation: ReadAudit::OPERATION,
                customer: command.about(),
                account: account.name(),
            };
            policy.decide(&wish).is_ok()
        });
        let name = self.accounts.name(None).filter(|_| granted);
        let name = name.ok_or(Refusal::Denied)?;
        let permit = policy.permit(caller, command, name);
        let permit = permit.map_err(|_| Refusal::Denied)?;
        facts.rule.get_or_init(|| Arc::clone(permit.rule()));
        Ok(permit.admit()?)
    }
}
